"""10 000 calls over a wire that loses, doubles and reorders: every one ends, is told once, and leaves nothing behind."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.phone import Manners, Phone
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action
from tests.simulation.wire import Wire, interfaces_at

CALLS = 100
OUR_PORT = 5060
MANNERS = [
    Manners(user="prompt", hangup_after=None),
    Manners(user="slow", answer_after=3.0, hangup_after=2.0),
    Manners(user="patient", answer_after=1.0, hangup_after=40.0),
    Manners(user="brief", answer_after=0.5, hangup_after=0.0),
    Manners(user="absent", answer_after=None),
    Manners(user="busy", reply=486),
    Manners(user="rude", answer_after=1.0, reply=603),
]


def simulate(seed: int, keep_ladder: bool = False) -> tuple[Wire, B2bua, list[CallRecord]]:
    """100 calls within 20 seconds, between phones of all manners."""
    chance = random.Random(seed)
    wire = Wire(seed, loss=0.05, duplication=0.05, jitter=0.2)
    wire.keep_ladder = keep_ladder
    core = B2bua(interfaces_at(OUR_PORT), Tokens(seed.to_bytes(8, "big")))
    wire.add(OUR_PORT, "c2c", core)
    for index, manners in enumerate(MANNERS):
        port = 6000 + index
        wire.add(port, manners.user, Phone(interfaces_at(port, manners.user), Tokens(manners.user.encode()), manners))
    ended: list[CallRecord] = []

    def heard(port: int, news: Action) -> None:
        if port == OUR_PORT and isinstance(news, CallEnded):
            ended.append(news.record)

    wire.news = heard
    for number, at in enumerate(sorted(chance.uniform(0, 20) for _ in range(CALLS))):
        wire.run(until=at)
        wire.now = max(wire.now, at)
        a, b = chance.choices(range(len(MANNERS)), weights=[4, 2, 3, 2, 1, 1, 1], k=2)
        order = CallOrder(
            call_id=f"c2c-{number}",
            a=Party(target="a", uri=f"sip:a@192.0.2.1:{6000 + a}", from_uri="sip:b@example.com", ring_timeout=20),
            b=Party(target="b", uri=f"sip:b@192.0.2.1:{6000 + b}", from_uri="sip:a@example.com", ring_timeout=20),
            max_duration=120,
        )
        wire.carry(OUR_PORT, core.connect(order, wire.now))
        if chance.random() < 0.1:
            wire.run(until=at + chance.uniform(0, 5))
            wire.carry(OUR_PORT, core.hang_up(order.call_id, wire.now))
    wire.run()
    return wire, core, ended


def left_over(wire: Wire, core: B2bua) -> list[str]:
    kinds = {
        "call": core.calls, "leg": core.legs, "client": core.clients, "server": core.servers, "timer": core.timers,
        "count": core.open_clients, "lookup": core.located_later, "search": core.searches,
    }  # fmt: skip
    rest = [f"{kind}: {entry}" for kind, entries in kinds.items() for entry in entries]
    phones = [machine for machine in wire.machines.values() if isinstance(machine, Phone)]
    return rest + [f"{phone.manners.user} still has {call_id}" for phone in phones for call_id in phone.calls]


@pytest.mark.parametrize("block", range(10))
def test_ten_thousand_calls(block: int) -> None:
    causes: Counter[str | None] = Counter()
    for seed in range(10 * block, 10 * block + 10):
        wire, core, ended = simulate(seed)
        rest = left_over(wire, core)
        twice = [call_id for call_id, count in Counter(record.call_id for record in ended).items() if count > 1]
        if rest or twice or len(ended) != CALLS:
            wire, *_ = simulate(seed, keep_ladder=True)
            ladder = "\n".join(wire.ladder)
            pytest.fail(f"seed {seed}: {len(ended)} of {CALLS} ended, twice: {twice}, left over: {rest}\n{ladder}")
        for record in ended:
            assert record.ended_by and record.cause and record.ended_at, record
            assert all(leg.ended_at is not None and leg.cause for leg in record.legs), record
            assert (record.bridged_at is None) or all(leg.answered_at for leg in record.legs), record
        causes.update(record.cause for record in ended)
    # Whatever the wire does, most calls go as their phones mean them to.
    assert causes["NORMAL_CLEARING"] > 200
    assert causes["USER_BUSY"] > 50
    assert causes["NO_ANSWER"] > 20


def test_the_same_seed_is_the_same_history() -> None:
    first, second = simulate(7), simulate(7)
    assert first[2] == second[2]


def test_what_is_left_over_is_found() -> None:
    wire, core, _ = simulate(1)
    order = CallOrder(
        call_id="left",
        a=Party(target="a", uri="sip:a@192.0.2.1:6000", from_uri="sip:b@example.com"),
        b=Party(target="b", uri="sip:b@192.0.2.1:6000", from_uri="sip:a@example.com"),
    )
    core.connect(order, wire.now)
    assert any(line.startswith("call") for line in left_over(wire, core))


def test_our_own_phone_says_that_it_does_not_take_refer() -> None:
    """With `bridge = "refer"` it is joined by re-INVITE."""
    wire = Wire()
    core = B2bua(interfaces_at(OUR_PORT), Tokens(b"refer"))
    wire.add(OUR_PORT, "c2c", core)
    for port, manners in ((6000, Manners(user="a")), (6001, Manners(user="b", hangup_after=1.0))):
        wire.add(port, manners.user, Phone(interfaces_at(port, manners.user), Tokens(manners.user.encode()), manners))
    ended: list[CallRecord] = []
    wire.news = lambda port, news: ended.append(news.record) if isinstance(news, CallEnded) else None
    order = CallOrder(
        call_id="c2c-refer",
        a=Party(target="a", uri="sip:a@192.0.2.1:6000", from_uri="sip:b@example.com"),
        b=Party(target="b", uri="sip:b@192.0.2.1:6001", from_uri="sip:a@example.com"),
        bridge="refer",
    )
    wire.carry(OUR_PORT, core.connect(order, wire.now))
    wire.run()
    (record,) = ended
    assert (record.cause, record.ended_by, [leg.sip_code for leg in record.legs]) == (
        "NORMAL_CLEARING",
        "b",
        [200, 200],
    )
    assert record.bridged_at is not None
