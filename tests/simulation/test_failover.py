"""Calls to names that stand for several hosts, some dead, some unwilling, some too slow, over a wire that loses.

Whatever comes late is cancelled, hung up or taken: every call ends once, and nobody is left ringing or talking.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.phone import Manners, Phone
from c2c_b2bua.sip.flow import Flow, Target
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Reply, Work
from tests.simulation.test_lossy_wire import OUR_PORT, left_over
from tests.simulation.wire import Wire, interfaces_at

CALLS = 40
SLOWNESS = 2.6
"""Seconds one way: a response comes after the next target was tried."""


class Full(Phone):
    """A host that takes no call."""

    def ring(self, key: str, request: Request, now: float) -> Work:
        return [Reply(key, request.response(503, to_tag=self.tokens.tag()))]


class Dead(Phone):
    """A host that is switched off."""

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        return []


class SlowWire(Wire):
    """A wire on which some are far away."""

    slow: frozenset[int] = frozenset()

    def send(self, port: int, action: Action) -> None:  # type: ignore[override]
        far = port in self.slow or action.flow.port in self.slow  # type: ignore[attr-defined]
        self.latency = SLOWNESS if far else 0.001
        super().send(port, action)  # type: ignore[arg-type]


HOSTS: list[tuple[type[Phone], Manners]] = [
    (Phone, Manners(user="prompt")),
    (Phone, Manners(user="brief", answer_after=0.5, hangup_after=1.0)),
    (Phone, Manners(user="absent", answer_after=None)),
    (Phone, Manners(user="busy", reply=486)),
    (Full, Manners(user="full")),
    (Dead, Manners(user="dead")),
    (Phone, Manners(user="far", hangup_after=20.0)),
    (Phone, Manners(user="far and absent", answer_after=None)),
    (Phone, Manners(user="far and busy", reply=486)),
]


def simulate(seed: int, keep_ladder: bool = False) -> tuple[Wire, B2bua, list[CallEnded]]:
    chance = random.Random(seed)
    wire = SlowWire(seed, loss=0.05, duplication=0.05, jitter=0.2)
    wire.keep_ladder = keep_ladder
    core = B2bua(interfaces_at(OUR_PORT), Tokens(seed.to_bytes(8, "big")))
    wire.add(OUR_PORT, "c2c", core)
    for index, (kind, manners) in enumerate(HOSTS):
        port = 6000 + index
        wire.add(port, manners.user, kind(interfaces_at(port, "phone"), Tokens(manners.user.encode()), manners))
    wire.slow = frozenset(6000 + index for index, (_, manners) in enumerate(HOSTS) if "far" in manners.user)
    ended: list[CallEnded] = []

    def heard(port: int, news: Action) -> None:
        if isinstance(news, Locate):
            ports = chance.sample(range(6000, 6000 + len(HOSTS)), chance.choice([1, 2, 3, 4]))
            targets = [Target("UDP", "192.0.2.1", port) for port in ports]
            wire.carry(OUR_PORT, core.located(news.ticket, targets, wire.now))
        elif isinstance(news, CallEnded):
            ended.append(news)

    wire.news = heard
    for number, at in enumerate(sorted(chance.uniform(0, 60) for _ in range(CALLS))):
        wire.run(until=at)
        wire.now = max(wire.now, at)
        a, b = (
            Party(target=name, uri=f"sip:{name}@hosts.example", from_uri="sip:c@example.com", ring_timeout=20)
            for name in "ab"
        )
        order = CallOrder(call_id=f"c2c-{number}", a=a, b=b, max_duration=60)
        wire.carry(OUR_PORT, core.connect(order, wire.now))
        if chance.random() < 0.2:
            wire.run(until=at + chance.uniform(0, 10))
            wire.carry(OUR_PORT, core.hang_up(order.call_id, wire.now))
    wire.run()
    return wire, core, ended


@pytest.mark.parametrize("block", range(5))
def test_two_thousand_calls(block: int) -> None:
    causes: Counter[str | None] = Counter()
    for seed in range(10 * block, 10 * block + 10):
        wire, core, ended = simulate(seed)
        rest = left_over(wire, core)
        told = Counter(news.record.call_id for news in ended)
        if rest or len(told) != CALLS or max(told.values()) > 1:
            wire, *_ = simulate(seed, keep_ladder=True)
            ladder = "\n".join(wire.ladder)
            pytest.fail(
                f"seed {seed}: {len(told)} of {CALLS} ended, {told.most_common(1)}, left over: {rest}\n{ladder}"
            )
        causes.update(news.record.cause for news in ended)
    assert causes["NORMAL_CLEARING"] > 50
    assert causes["USER_BUSY"] > 30
    assert causes["NO_ANSWER"] > 10
