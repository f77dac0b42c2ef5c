"""Calls that wait for a trunk: whose turn it is, when it comes, and what ends the waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.kazoo_originate import WORDING
from c2c_b2bua.call.news import LegAnswered, LegFailed, TransferAsked
from c2c_b2bua.registration.trunk import TrunkChanged
from c2c_b2bua.service.documents import ClickToCall
from c2c_b2bua.service.errors import ConflictingError, TooManyError, UnavailableError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.pacing import FairQueue
from c2c_b2bua.sip.reason import Why
from tests.api.conftest import CHILD, SETTINGS, A
from tests.api.scripted_engine import ScriptedEngine
from tests.service.test_calls import items, made, request

NOW = 1_800_000_000.0
PACED = SETTINGS + "calls_per_second = 1\n"

# ── whose turn it is ─────────────────────────────────────────────────────────────────────────────────────────────────


def served(queue: FairQueue[str]) -> list[str]:
    return [queue.serve() for _ in range(len(queue))]


@pytest.mark.parametrize(
    ("coming", "going"),
    [
        ("", ""),
        ("a.x1 a.x2 a.x3", "x1 x2 x3"),
        ("a.x1 a.x2 a.x3 b.y1", "x1 y1 x2 x3"),
        ("a.x1 a.x2 a.x3 b.y1 b.y2", "x1 y1 x2 y2 x3"),
        ("a.x1 a.x2 a.y1", "x1 y1 x2"),
        ("a.x1 a.x2 a.y1 b.z1 b.z2 b.z3", "x1 z1 y1 z2 x2 z3"),
    ],
)
def test_accounts_in_turn_and_of_each_its_click_to_calls(coming: str, going: str) -> None:
    queue: FairQueue[str] = FairQueue()
    for item in coming.split():
        account, _, name = item.partition(".")
        queue.put(account, name[0], name)
    assert [*queue.in_order()] == going.split()
    assert served(queue) == going.split()
    assert (len(queue), queue.lanes) == (0, {})
    with pytest.raises(IndexError):
        queue.serve()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans())))
def test_whatever_comes_and_goes_nothing_is_lost_or_doubled(steps: list[tuple[str, str, bool]]) -> None:
    queue: FairQueue[str] = FairQueue()
    inside: list[tuple[str, str, str]] = []
    for number, (account, document, leaves) in enumerate(steps):
        if leaves and inside:
            entry = inside.pop(number % len(inside))
            queue.remove(*entry)
        else:
            inside.append((account, document, f"{account}{document}{number}"))
            queue.put(*inside[-1])
        assert len(queue) == len(inside)
        assert sorted(queue.in_order()) == sorted(item for _, _, item in inside)
    lanes = {(account, document) for account, document, _ in inside}
    if inside:
        accounts = len({account for account, _ in lanes})
        assert len({item[0] for item in served(queue)[:accounts]}) == accounts, "everybody once before anybody twice"


# ── in calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """Time that a test lets pass: what was to be done later is done when it is due."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.due: list[tuple[float, Handle]] = []
        self.is_armed = asyncio.Event()

    def later(self, delay: float, wake: Callable[[], None]) -> Handle:
        assert self.engine.clock is not None
        self.is_armed.set()
        handle = Handle(wake)
        self.due.append((self.engine.clock + delay, handle))
        return handle

    def wait(self, seconds: float) -> None:
        assert self.engine.clock is not None
        until = self.engine.clock + seconds
        while True:
            self.due = [entry for entry in self.due if not entry[1].is_cancelled]
            soonest = min(self.due, key=lambda entry: entry[0], default=None)
            if soonest is None or soonest[0] > until:
                break
            self.due.remove(soonest)
            self.engine.clock = max(self.engine.clock, soonest[0])
            soonest[1].wake()
        self.engine.clock = until


class Handle:
    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@pytest.fixture
def settings_text() -> str:
    return PACED


@pytest.fixture
def clock(exchange: Exchange, engine: ScriptedEngine) -> Clock:
    engine.clock = NOW
    clock = Clock(engine)
    exchange.calls.waiting.later = clock.later
    return clock


async def connect(exchange: Exchange, document: ClickToCall, **fields: Any) -> Any:
    """The answer in Kazoo's words."""
    return json.loads(await exchange.calls.connect(await request(exchange, document, wording=WORDING, **fields)))


async def test_one_a_second(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    answers = [await connect(exchange, document) for _ in range(4)]
    assert [(answer.get("queued"), answer.get("expected_start")) for answer in answers] == [
        (None, None),
        (True, "2027-01-15T08:00:01.000Z"),
        (True, "2027-01-15T08:00:02.000Z"),
        (True, "2027-01-15T08:00:03.000Z"),
    ]
    assert len(engine.orders) == 1
    live = exchange.calls.of(A)
    assert [call.state for call in live] == ["queued", "queued", "queued", "dialling"]
    assert live[2].shown()["expected_start"] == "2027-01-15T08:00:01.000Z"
    assert "expected_start" not in live[3].shown()
    waiting = await items(exchange, document)
    assert {item["call_id"] for item in waiting} == {answer["call_id"] for answer in answers}
    assert all("result" not in item for item in waiting)
    clock.wait(0.5)
    for count in (1, 2, 3, 4):
        assert len(engine.orders) == count
        clock.wait(1)
    assert [order.call_id for order in engine.orders] == [answer["call_id"] for answer in answers]
    assert [call.state for call in exchange.calls.of(A)] == ["dialling"] * 4
    assert exchange.calls.routes.trunks[0].calls == 4
    for order in engine.orders:
        engine.end(order.call_id, "USER_BUSY", "b", 486)
    assert exchange.calls.routes.trunks[0].calls == 0
    assert exchange.calls.live == {}


async def test_who_sends_many_waits_behind_his_own(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    many, few = await made(exchange), await made(exchange)
    for _ in range(4):
        await connect(exchange, many)
    answer = await connect(exchange, few)
    assert answer["expected_start"] == "2027-01-15T08:00:02.000Z", "after one of the other's, not after three"
    clock.wait(10)
    assert [order.call_id.split("-")[1] == few.id for order in engine.orders] == [False, False, True, False, False]


async def test_a_call_that_needs_no_trunk_does_not_wait(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    await connect(exchange, document)
    answer = await connect(exchange, document, contact="2600")
    assert "queued" not in answer
    assert len(engine.orders) == 2


async def test_nobody_overtakes_those_who_wait(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    second = await connect(exchange, document)
    assert engine.clock is not None
    engine.clock += 1.5  # the place is there, and the timer late
    third = await connect(exchange, document)
    assert third["queued"]
    clock.wait(3)
    assert [order.call_id for order in engine.orders][1:] == [second["call_id"], third["call_id"]]


async def test_waiting_in_vain(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    carrier = exchange.calls.routes.trunks[0]
    carrier.pace.paused_until = NOW + 1000
    answer = await connect(exchange, document)
    clock.wait(29.9)
    assert len(exchange.calls.waiting) == 1
    clock.wait(0.2)
    assert (len(exchange.calls.waiting), exchange.calls.live, engine.orders) == (0, {}, [])
    (item,) = await items(exchange, document)
    assert (item["call_id"], item["result"], item["cause"], item["ended_by"], item["legs"]) == (
        answer["call_id"],
        "error",
        "NORMAL_CIRCUIT_CONGESTION",
        "timer",
        [],
    )
    assert item["reason"] == "no trunk had a place within 30 s"
    assert exchange.calls.ended == {"NORMAL_CIRCUIT_CONGESTION": 1}


async def test_hung_up_while_it_waits(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    second, third = await connect(exchange, document), await connect(exchange, document)
    heard = []
    exchange.calls.listeners.append(lambda call, news: heard.append((call.call_id, type(news).__name__)))
    call = exchange.calls.find(A, second["call_id"])
    assert call
    assert exchange.calls.hang_up(call)
    assert exchange.calls.find(A, second["call_id"]) is None
    assert heard == [(second["call_id"], "CallEnded")]
    clock.wait(1.001)
    assert [order.call_id for order in engine.orders[1:]] == [third["call_id"]], "it moves up"
    ended = next(item for item in await items(exchange, document) if item["call_id"] == second["call_id"])
    assert (ended["cause"], ended["ended_by"]) == ("ORIGINATOR_CANCEL", "api")


async def test_a_place_that_becomes_free(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    carrier = exchange.calls.routes.trunks[0]
    carrier.settings = msgspec.structs.replace(carrier.settings, calls_per_second=0, max_calls=1)
    document = await made(exchange)
    first = await connect(exchange, document)
    clock.wait(5)
    second = await connect(exchange, document)
    assert (second["queued"], second["expected_start"]) == (True, None), "nobody knows when somebody hangs up"
    clock.wait(5)
    assert len(engine.orders) == 1
    engine.end(first["call_id"], "USER_BUSY", "b", 486)
    clock.wait(0)
    assert [order.call_id for order in engine.orders] == [first["call_id"], second["call_id"]]


async def test_a_place_that_becomes_free_when_a_call_is_handed_over(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    carrier = exchange.calls.routes.trunks[0]
    carrier.settings = msgspec.structs.replace(carrier.settings, calls_per_second=0, max_calls=1)
    document = await made(exchange)
    first = (await connect(exchange, document))["call_id"]
    engine.bridge(first)
    second = (await connect(exchange, document))["call_id"]
    engine.tell(TransferAsked, first, leg="b", key="key", target="sip:2600@acme.example.com", replaces="")
    clock.wait(5)
    assert len(engine.orders) == 1
    engine.tell(LegAnswered, first, leg="b")
    clock.wait(0)
    assert [order.call_id for order in engine.orders] == [first, second]


async def test_a_503_slows_the_queue_down(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    why = Why("NORMAL_TEMPORARY_FAILURE", 503, "Service Unavailable", 5)
    call_id = engine.orders[0].call_id
    engine.tell(LegFailed, call_id, leg="b", trunk="carrier", why=why, is_local=False)  # type: ignore[arg-type]
    answers = [await connect(exchange, document) for _ in range(2)]
    assert [answer["expected_start"][-7:] for answer in answers] == ["05.000Z", "07.000Z"], "paused, then half as fast"
    clock.wait(4.999)
    assert len(engine.orders) == 1
    clock.wait(0.002)
    assert len(engine.orders) == 2
    clock.wait(2)
    assert len(engine.orders) == 3


async def test_a_trunk_that_comes_up_is_seen_at_once(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    carrier = exchange.calls.routes.trunks[0]
    carrier.pace.paused_until = NOW + 20
    await connect(exchange, document)
    carrier.pace.paused_until = 0.0
    engine.trunk_listener(TrunkChanged("carrier", NOW, None, True))
    clock.wait(0)
    assert len(engine.orders) == 1


async def test_blocking_waits_for_the_answer(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    task = asyncio.create_task(connect(exchange, document, until="answered"))
    await clock.is_armed.wait()
    engine.then = lambda engine, call_id: engine.answer(call_id)
    clock.wait(1.001)
    assert (await task)["result"] == "success"


async def test_blocking_is_told_that_it_waited_in_vain(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    document = await made(exchange)
    exchange.calls.routes.trunks[0].pace.paused_until = NOW + 1000
    task = asyncio.create_task(connect(exchange, document, until="answered"))
    await clock.is_armed.wait()
    clock.wait(31)
    answer = await task
    assert (answer["result"], answer["cause"]) == ("error", "NORMAL_CIRCUIT_CONGESTION")


async def test_a_full_queue(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    exchange.calls.waiting.size = 2
    document = await made(exchange)
    for _ in range(3):
        await connect(exchange, document)
    with pytest.raises(TooManyError, match="too many calls wait for a trunk") as caught:
        await connect(exchange, document)
    assert caught.value.wait == pytest.approx(1)
    assert len(exchange.calls.live) == 3
    assert len(await items(exchange, document)) == 3


async def test_the_same_key_is_the_same_place(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    first = await connect(exchange, document, idempotency_key="k")
    assert await connect(exchange, document, idempotency_key="k") == first
    with pytest.raises(ConflictingError):
        await connect(exchange, document, idempotency_key="k", contact="4155550101")
    assert len(exchange.calls.waiting) == 1
    clock.wait(5)
    assert await connect(exchange, document, idempotency_key="k") == first
    assert len(engine.orders) == 2


async def test_a_service_that_stops_ends_those_who_wait(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    await connect(exchange, document)
    exchange.drain()
    exchange.drain()
    with pytest.raises(UnavailableError):
        await connect(exchange, document)
    clock.wait(60)
    assert len(engine.orders) == 1
    ended = [item for item in await items(exchange, document) if "result" in item]
    assert [(item["cause"], item["reason"]) for item in ended] == [
        ("NORMAL_TEMPORARY_FAILURE", "the service is stopping")
    ]


async def test_a_request_given_up_while_it_is_written_stays_in_the_queue(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    document = await made(exchange)
    await connect(exchange, document)
    order = await request(exchange, document)
    task = asyncio.create_task(exchange.calls.connect(order))
    await asyncio.sleep(0)
    assert len(exchange.calls.waiting) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (call,) = [call for call in exchange.calls.of(A) if call.state == "queued"]
    assert exchange.calls.hang_up(call)
    assert len(exchange.calls.waiting) == 0
    clock.wait(60)
    assert len(engine.orders) == 1


async def test_a_call_that_cannot_be_made_lets_the_next_one_go(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    document = await made(exchange)
    for _ in range(3):
        await connect(exchange, document)

    def explode(engine: ScriptedEngine, call_id: str) -> None:
        engine.then = lambda engine, call_id: None
        raise RuntimeError("boom")

    engine.then = explode
    clock.wait(5)
    assert len(engine.orders) == 3
    assert len(exchange.calls.live) == 2
    assert exchange.calls.routes.trunks[0].calls == 2


async def test_accounts_share_the_trunks_fairly(exchange: Exchange, engine: ScriptedEngine, clock: Clock) -> None:
    mine = await made(exchange)
    for _ in range(3):
        await connect(exchange, mine)
    body = {"name": "x", "extension": "4155550177"}
    theirs = await exchange.documents.save(exchange.documents.created(CHILD, body))
    order = await request(exchange, theirs, wording=WORDING)
    order = msgspec.structs.replace(order, account=await exchange.accounts.account(CHILD))
    answer = json.loads(await exchange.calls.connect(order))
    assert answer["expected_start"] == "2027-01-15T08:00:02.000Z"
