"""Thousands of calls over a bad wire, and the B2BUA is killed again and again: none is left hanging, none told twice."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallBridged, CallEnded
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.phone import Phone
from c2c_b2bua.sip.flow import Flow, Target
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate
from tests.simulation.crash import Memory, Remembered
from tests.simulation.test_lossy_wire import MANNERS, OUR_PORT, left_over
from tests.simulation.wire import Wire, interfaces_at

CALLS = 60
KILLS = 8
DOWNTIMES = (0.25, 0.5, 2.0, 8.0, 45.0)
"""Seconds until there is a process again: more than a message takes here. A CANCEL that comes before its INVITE is refused,
and so is each repetition of it; nobody could take back what rings then.
"""


class Gone(B2bua):
    """Nobody is there."""

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        return []


class Run:
    """One simulation; what came of it."""

    def __init__(self, seed: int, loss: float, keep_ladder: bool = False) -> None:
        self.chance = random.Random(seed)
        self.wire = Wire(seed, loss=loss, duplication=loss, jitter=0.2 if loss else 0.0)
        self.wire.keep_ladder = keep_ladder
        self.memory = Memory()
        self.ended: list[CallRecord] = []
        self.bridged: list[str] = []
        self.core: B2bua = Remembered(interfaces_at(OUR_PORT), Tokens(seed.to_bytes(8, "big")), self.memory)
        self.wire.add(OUR_PORT, "c2c", self.core)
        for index, manners in enumerate(MANNERS):
            port = 6000 + index
            phone = Phone(interfaces_at(port, manners.user), Tokens(manners.user.encode()), manners)
            self.wire.add(port, manners.user, phone)
        self.wire.news = self.heard

    def heard(self, port: int, news: Action) -> None:
        if port != OUR_PORT:
            return
        if isinstance(news, CallEnded):
            self.ended.append(news.record)
        elif isinstance(news, CallBridged):
            self.bridged.append(news.call_id)
        elif isinstance(news, Locate):
            port = 6000 + MANNERS.index(next(one for one in MANNERS if one.user == news.hop.host.partition(".")[0]))
            dead = Target("UDP", "192.0.2.1", 6999)
            targets = [dead, Target("UDP", "192.0.2.1", port)]
            self.wire.carry(OUR_PORT, self.core.located(news.ticket, targets, self.wire.now))

    def kill(self, downtime: float) -> None:
        wire = self.wire
        wire.machines[OUR_PORT] = Gone(interfaces_at(OUR_PORT), Tokens(b"gone"))
        back = wire.now + downtime
        wire.run(until=back)
        wire.now = max(wire.now, back)
        self.core, said = self.memory.reborn(self.core, wire.now)
        wire.machines[OUR_PORT] = self.core
        wire.carry(OUR_PORT, said)

    def play(self) -> None:
        chance, wire = self.chance, self.wire
        wire.add(6999, "nobody", Gone(interfaces_at(6999), Tokens(b"nobody")))
        starts = [(chance.uniform(0, 40), f"c2c-{number}") for number in range(CALLS)]
        kills = [(chance.uniform(0, 60), "") for _ in range(KILLS)]
        for at, call_id in sorted(starts + kills):
            if at > wire.now:
                wire.run(until=at)
                wire.now = max(wire.now, at)
            if not call_id:
                self.kill(chance.choice(DOWNTIMES))
                continue
            parties = [self.party(which) for which in chance.choices(MANNERS, weights=[4, 2, 3, 2, 1, 1, 1], k=2)]
            order = CallOrder(call_id=call_id, a=parties[0], b=parties[1], max_duration=120)
            wire.carry(OUR_PORT, self.core.connect(order, wire.now))
            if chance.random() < 0.1:
                wire.run(until=at + chance.uniform(0, 5))
                wire.carry(OUR_PORT, self.core.hang_up(call_id, wire.now))
        wire.run()

    def party(self, manners: object) -> Party:
        number = MANNERS.index(manners)  # type: ignore[arg-type]
        host = f"{MANNERS[number].user}.example" if self.chance.random() < 0.1 else f"192.0.2.1:{6000 + number}"
        return Party(target=MANNERS[number].user, uri=f"sip:x@{host}", from_uri="sip:c@example.com", ring_timeout=20)

    def faults(self) -> list[str]:
        told = Counter(record.call_id for record in self.ended)
        faults = left_over(self.wire, self.core)
        faults += [f"{name} was told {count} times" for name, count in told.items() if count > 1]
        faults += [f"{name} was bridged twice" for name, count in Counter(self.bridged).items() if count > 1]
        faults += [f"c2c-{number} never ended" for number in range(CALLS) if f"c2c-{number}" not in told]
        faults += [f"{record.call_id} ended without a cause" for record in self.ended if not record.cause]
        self.memory.save(self.core)
        faults += [f"{name} is still kept" for name in self.memory.orders]
        return faults


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("block", range(4))
def test_no_call_is_left_hanging(block: int, loss: float) -> None:
    causes: Counter[str | None] = Counter()
    for seed in range(10 * block, 10 * block + 10):
        run = Run(seed, loss)
        run.play()
        if faults := run.faults():
            again = Run(seed, loss, keep_ladder=True)
            again.play()
            pytest.fail(f"seed {seed}: {faults}\n" + "\n".join(again.wire.ladder))
        causes.update(record.cause for record in run.ended)
    assert causes["RECOVERY_ON_TIMER_EXPIRE"] > 50
    assert causes["NORMAL_CLEARING"] > 50
