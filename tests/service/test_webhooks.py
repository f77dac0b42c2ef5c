"""Deliveries: in order, tried again, never lost, never to a place they must not reach."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.service import deliveries as module
from c2c_b2bua.service.events import KINDS, CallEvent, Kind
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.originate import Connect, Wording
from c2c_b2bua.service.webhooks import Webhook
from tests.api.conftest import SETTINGS, STRANGER, A, settings_at
from tests.api.scripted_engine import ScriptedEngine
from tests.webhook_receiver import Delivery, Receiver

WORDING = Wording(lambda plan, call: call.call_id.encode(), lambda call, cause: b"{}")
ALL = frozenset(KINDS)
StartExchange = Callable[..., Any]


def rendered(event: CallEvent) -> bytes:
    """Words of our own."""
    return f'{{"state":"{event.kind}","call":"{event.call_id}","at":{event.at}}}'.encode()


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.sleeping: list[tuple[float, Callable[[], None]]] = []
        self.slept = asyncio.Event()

    def later(self, delay: float, wake: Callable[[], None]) -> Clock.Sleep:
        self.sleeping.append((self.now + delay, wake))
        self.slept.set()
        return Clock.Sleep(self, wake)

    class Sleep:
        def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
            self.clock, self.wake = clock, wake

        def cancel(self) -> None:
            self.clock.sleeping = [entry for entry in self.clock.sleeping if entry[1] is not self.wake]

    async def until_asleep(self) -> float:
        """How long the next one sleeps, once there is one."""
        async with asyncio.timeout(10):
            while not self.sleeping:
                self.slept.clear()
                await self.slept.wait()
        return min(at for at, _ in self.sleeping) - self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        due = [entry for entry in self.sleeping if entry[0] <= self.now]
        self.sleeping = [entry for entry in self.sleeping if entry[0] > self.now]
        for _, wake in due:
            wake()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    made = ScriptedEngine()
    monkeypatch.setattr(made, "now", lambda: clock.now)
    return made


@pytest.fixture
async def start(tmp_path: Path, engine: ScriptedEngine, clock: Clock) -> AsyncIterator[StartExchange]:
    """Starts one exchange after another on the same database; `webhooks` are settings."""
    started: list[Exchange] = []

    async def make(webhooks: str = "", speaks: bool = True) -> Exchange:
        text = SETTINGS.replace("[calls]", f'[webhooks]\nallowed_networks = ["127.0.0.0/8"]\n{webhooks}\n[calls]')
        exchange = Exchange(settings_at(tmp_path, text), engine)
        exchange.webhooks.deliveries.later = clock.later
        await exchange.start()
        started.append(exchange)
        if speaks:
            exchange.webhooks.speak(rendered)
        return exchange

    yield make
    for exchange in started:
        await exchange.stop()


@pytest.fixture
async def exchange(start: StartExchange) -> Exchange:
    return await start()  # type: ignore[no-any-return]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


async def hooked(exchange: Exchange, url: str, account_id: str = A) -> Webhook:
    return await exchange.webhooks.register(account_id, "call", url, ALL)


async def placed(exchange: Exchange, account_id: str = A, **fields: Any) -> str:
    """The id of a call that has been made."""
    document = exchange.documents.created(A, {"name": "x", "extension": "1001"}).after
    request = Connect(
        account=await exchange.accounts.account(account_id),
        document=document,
        contact="2600",
        wording=WORDING,
        **fields,
    )
    return (await exchange.calls.connect(request)).decode()


def talks(engine: ScriptedEngine, call_id: str) -> None:
    engine.bridge(call_id)
    engine.end(call_id, "NORMAL_CLEARING", "a", 200)


async def settled(exchange: Exchange) -> None:
    """Nothing waits any more, in memory or on disk."""
    deliveries = exchange.webhooks.deliveries
    async with asyncio.timeout(10):
        while deliveries.waiting:
            deliveries.idle.clear()
            if deliveries.waiting:
                await deliveries.idle.wait()
    store = exchange.history.store
    while store.outbox.changes or store.is_writing:
        await store.caught_up()
    assert await exchange.webhooks.store.waiting() == []


# ── order, signature ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_moments_of_a_call_in_their_order(
    exchange: Exchange, engine: ScriptedEngine, receiver: Receiver
) -> None:
    hook = await hooked(exchange, receiver.url)
    call_id = await placed(exchange)
    talks(engine, call_id)
    deliveries = await receiver.several(4)
    assert [delivery.state for delivery in deliveries] == list(KINDS)
    assert [delivery.sequence for delivery in deliveries] == [1, 2, 3, 4]
    assert all(delivery.is_signed_with(hook.secret) for delivery in deliveries)
    await settled(exchange)
    assert exchange.webhooks.deliveries.counts.delivered == 4


async def test_an_event_waits_for_the_one_before_it(
    exchange: Exchange, engine: ScriptedEngine, receiver: Receiver
) -> None:
    await hooked(exchange, receiver.url)
    may_go = asyncio.Event()

    async def slow(delivery: Delivery) -> int:
        await may_go.wait()
        return 200

    receiver.answer = slow
    talks(engine, await placed(exchange))
    assert (await receiver.next()).state == "ringing"
    await exchange.history.store.caught_up()
    assert (receiver.received.empty(), receiver.concurrent) == (True, 1)
    may_go.set()
    assert [delivery.state for delivery in await receiver.several(3)] == ["answered", "ended", "recorded"]
    assert receiver.most_concurrent == 1


async def test_the_timestamp_is_that_of_the_try(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: 500
    engine.ring(await placed(exchange))
    first = await receiver.next()
    clock.pass_by(await clock.until_asleep())
    second = await receiver.next()
    assert (first.id, first.raw) == (second.id, second.raw)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


# ── tried again ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_delivery_is_tried_again_and_dropped_in_the_end(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: 503 if delivery.state == "ringing" else 204
    call_id = await placed(exchange)
    talks(engine, call_id)
    waits = []
    for _ in range(7):
        assert (await receiver.next()).state == "ringing"
        waits.append(await clock.until_asleep())
        clock.pass_by(waits[-1])
    assert waits == [5, 30, 120, 600, 1800, 3600, 7200]
    assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)
    await settled(exchange)
    counts = exchange.webhooks.deliveries.counts
    assert (counts.delivered, counts.failed, counts.dropped) == (3, 8, 1)
    assert clock.sleeping == []


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 500])
async def test_whatever_is_no_success_is_tried_again(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock, status: int
) -> None:
    """A redirect, too: nobody follows it."""
    await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: status
    engine.ring(await placed(exchange))
    assert (await receiver.next()).path == "/c2c"
    assert await clock.until_asleep() == 5
    assert receiver.received.empty()


async def test_a_partner_that_is_down_gets_everything_later(
    exchange: Exchange, engine: ScriptedEngine, clock: Clock
) -> None:
    receiver = Receiver()
    async with receiver:
        await hooked(exchange, receiver.url)
    talks(engine, await placed(exchange))
    assert await clock.until_asleep() == 5
    async with receiver:
        clock.pass_by(5)
        assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)
        await settled(exchange)


async def test_a_partner_that_says_nothing_is_not_waited_for(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    exchange = await start("timeout = 0.05")
    await hooked(exchange, receiver.url)

    async def never(delivery: Delivery) -> int:
        return await asyncio.Event().wait() or 200

    receiver.answer = never
    engine.ring(await placed(exchange))
    assert await clock.until_asleep() == 5
    assert exchange.webhooks.deliveries.counts.failed == 1


async def test_an_error_of_ours_is_tried_again(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    await hooked(exchange, receiver.url)
    exchange.webhooks.speak(lambda event: 1 / 0)  # type: ignore[arg-type, return-value]
    engine.ring(await placed(exchange))
    assert await clock.until_asleep() == 5
    exchange.webhooks.speak(rendered)
    clock.pass_by(5)
    assert (await receiver.next()).state == "ringing"


async def test_a_changed_url_gets_what_waits(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    async with Receiver() as wrong:
        wrong.answer = lambda delivery: 404
        first = await hooked(exchange, wrong.url)
        engine.ring(await placed(exchange))
        await wrong.next()
        await clock.until_asleep()
    second = await hooked(exchange, receiver.url)
    assert (second.id, second.secret == first.secret) == (first.id, False)
    clock.pass_by(5)
    assert (await receiver.next()).is_signed_with(second.secret)


async def test_a_webhook_that_is_destroyed_gets_nothing_of_what_waits(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: 500
    engine.ring(await placed(exchange))
    await receiver.next()
    await clock.until_asleep()
    await exchange.webhooks.destroy(A, "call")
    assert clock.sleeping == []
    await settled(exchange)
    assert exchange.webhooks.deliveries.waiting == 0


async def test_a_webhook_that_is_destroyed_while_it_is_told(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine
) -> None:
    await hooked(exchange, receiver.url)
    gone = asyncio.Event()

    async def until_gone(delivery: Delivery) -> int:
        try:
            return await asyncio.Event().wait() or 200
        finally:
            gone.set()

    receiver.answer = until_gone
    talks(engine, await placed(exchange))
    await receiver.next()
    await exchange.webhooks.destroy(A, "call")
    await settled(exchange)
    receiver.answer = lambda delivery: 200
    await hooked(exchange, receiver.url)
    talks(engine, await placed(exchange))
    assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)


# ── nobody is held up ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_slow_partner_holds_up_nobody_else(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine
) -> None:
    async with Receiver() as slow:

        async def never(delivery: Delivery) -> int:
            return await asyncio.Event().wait() or 200

        slow.answer = never
        await hooked(exchange, slow.url, STRANGER)
        await hooked(exchange, receiver.url)
        event = exchange.webhooks.by_account[STRANGER]
        for number in range(50):
            exchange.webhooks.tell(event, made_event("ringing", number, STRANGER))
        await slow.several(4)
        talks(engine, await placed(exchange))
        assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)
        assert (slow.concurrent, slow.received.empty()) == (4, True)
        await exchange.webhooks.destroy(STRANGER, "call")


def made_event(kind: Kind, number: int, account_id: str = A) -> CallEvent:
    return CallEvent(
        kind=kind,
        at=1.0,
        account_id=account_id,
        history_id=f"{number:032x}",
        call_id=f"c2c-{number}",
        contact="2600",
        extension="1001",
        accepted_at=1.0,
    )


async def test_so_many_wait_and_no_more(start: StartExchange, receiver: Receiver, clock: Clock) -> None:
    exchange = await start("max_waiting = 3")
    hook = await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: 500
    for number in range(5):
        exchange.webhooks.tell(hook, made_event("ringing", number))
    deliveries = exchange.webhooks.deliveries
    assert (deliveries.waiting, deliveries.counts.dropped) == (3, 2)
    await receiver.several(3)
    receiver.answer = lambda delivery: 200
    await exchange.history.store.caught_up()
    while len(clock.sleeping) < 3:
        clock.slept.clear()
        await clock.slept.wait()
    clock.pass_by(5)
    await settled(exchange)
    exchange.webhooks.tell(hook, made_event("ringing", 9))
    await settled(exchange)
    assert deliveries.counts.delivered == 4


async def test_no_hook_no_work(exchange: Exchange, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("c2c_b2bua.service.webhooks.live_event", never)
    talks(engine, await placed(exchange))
    assert exchange.webhooks.rung == {}


# ── nothing is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_not_delivered_is_delivered_after_a_restart(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock
) -> None:
    first = await start()
    receiver.answer = lambda delivery: 500
    hook = await hooked(first, receiver.url)
    talks(engine, await placed(first))
    tried = await receiver.next()
    await clock.until_asleep()
    await first.stop()
    clock.sleeping.clear()
    receiver.answer = lambda delivery: 200
    second = await start()
    assert [h.url for h in second.webhooks.of(A)] == [receiver.url]
    assert await clock.until_asleep() == 5, "the second try is not before its time"
    clock.pass_by(5)
    deliveries = await receiver.several(4)
    assert [delivery.state for delivery in deliveries] == list(KINDS)
    assert deliveries[0].id == tried.id
    assert all(delivery.is_signed_with(hook.secret) for delivery in deliveries)
    await settled(second)


async def test_a_service_without_words_keeps_what_happens(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine
) -> None:
    exchange = await start(speaks=False)
    await hooked(exchange, receiver.url)
    talks(engine, await placed(exchange))
    await exchange.history.store.caught_up()
    assert (exchange.webhooks.deliveries.waiting, receiver.received.empty()) == (4, True)
    exchange.webhooks.speak(rendered)
    assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)


async def test_calls_of_a_killed_process_are_told_to_have_ended(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine
) -> None:
    """The first process is left as it is: neither its calls nor what it knows are taken over."""
    first = await start()
    await hooked(first, receiver.url)
    call_id = await placed(first, details={"metadata": {"order": 7}})
    engine.bridge(call_id)
    assert [delivery.state for delivery in await receiver.several(2)] == ["ringing", "answered"]
    await first.history.store.caught_up()
    seen: list[CallEvent] = []

    def kept(event: CallEvent) -> bytes:
        seen.append(event)
        return rendered(event)

    second = await start(speaks=False)
    second.webhooks.speak(kept)
    ended, recorded = await receiver.several(2)
    assert (ended.state, ended.sequence, recorded.state, recorded.sequence) == ("ended", 3, "recorded", 4)
    assert ended.body["call"] == call_id
    event = seen[1]
    assert event.record is not None
    assert (event.record.cause, event.record.ended_by, event.extension) == ("RECOVERY_ON_TIMER_EXPIRE", "error", "")
    assert (event.contact, event.details) == ("2600", {"metadata": {"order": 7}})
    await settled(second)


async def test_the_last_words_of_a_service_that_stops(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine
) -> None:
    exchange = await start()
    await hooked(exchange, receiver.url)
    call_id = await placed(exchange)
    talks(engine, call_id)
    await exchange.stop()
    assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)


async def test_a_service_that_stops_does_not_wait_for_ever(
    start: StartExchange, receiver: Receiver, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("c2c_b2bua.service.webhooks.LAST_WORDS", 0.05)
    exchange = await start()
    await hooked(exchange, receiver.url)

    async def never(delivery: Delivery) -> int:
        return await asyncio.Event().wait() or 200

    receiver.answer = never
    talks(engine, await placed(exchange))
    await receiver.next()
    async with asyncio.timeout(5):
        await exchange.stop()
    again = await start(speaks=False)
    assert [row.event_id[-1] for row in await again.webhooks.store.waiting()] == list("1234")


async def test_a_disk_that_refuses_for_a_while(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("c2c_b2bua.storage.history.RETRY", 0.01)
    await hooked(exchange, receiver.url)
    call_id = await placed(exchange)
    lock = sqlite3.connect(tmp_path / "c2c.db")
    lock.execute("BEGIN IMMEDIATE")
    talks(engine, call_id)
    await exchange.history.store.caught_up()
    assert (exchange.webhooks.deliveries.waiting, receiver.received.empty()) == (4, True)
    lock.rollback()
    lock.close()
    assert [delivery.state for delivery in await receiver.several(4)] == list(KINDS)
    await settled(exchange)


async def test_a_disk_that_cannot_be_read_for_a_while(
    exchange: Exchange, receiver: Receiver, engine: ScriptedEngine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = exchange.webhooks.store
    read = store.event

    async def refuse(webhook_id: str, event_id: str) -> str | None:
        raise module.StorageError("away")

    await hooked(exchange, receiver.url)
    monkeypatch.setattr(store, "event", refuse)
    engine.ring(await placed(exchange))
    assert await clock.until_asleep() == module.DISK_RETRY
    monkeypatch.setattr(store, "event", read)
    clock.pass_by(module.DISK_RETRY)
    assert (await receiver.next()).state == "ringing"
    await settled(exchange)
    assert exchange.webhooks.deliveries.counts.failed == 0


async def test_what_waits_for_no_webhook_is_dropped_at_the_start(start: StartExchange) -> None:
    first = await start(speaks=False)
    hook = await hooked(first, "https://crm.example/")
    first.webhooks.tell(hook, made_event("ringing", 1))
    await first.history.store.caught_up()
    await first.stop()
    async with first.database.writing() as connection:
        await connection.exec_driver_sql("DELETE FROM webhooks")
    await first.database.stop()
    await settled(await start())


async def test_the_secret_is_in_no_log(
    exchange: Exchange,
    receiver: Receiver,
    engine: ScriptedEngine,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hook = await hooked(exchange, receiver.url)
    receiver.answer = lambda delivery: 500
    engine.ring(await placed(exchange))
    await receiver.next()
    clock.pass_by(await clock.until_asleep())
    exchange.webhooks.speak(lambda event: 1 / 0)  # type: ignore[arg-type, return-value]
    await receiver.next()
    clock.pass_by(await clock.until_asleep())
    await clock.until_asleep()
    said = "".join(capsys.readouterr())
    assert "event not delivered" in said and "ZeroDivisionError" in said
    assert hook.secret not in said and hook.secret.removeprefix("whsec_") not in said
