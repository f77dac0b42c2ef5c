"""Webhooks as rows, and the outbox: written with the history of calls, in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from c2c_b2bua.storage import history as module
from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.webhooks import DeliveryRow, Outbox, WebhookRow, WebhookStore
from tests.storage.test_history import accepted, ended

HOOK = WebhookRow(
    id="f" * 32,
    account_id="a" * 32,
    type="call",
    url="https://crm.example/c2c?ü=1",
    kinds='["ended"]',
    secret="whsec_c2VjcmV0",
    created_at=1.5,
)


def delivery(call: int, sequence: int, **fields: Any) -> DeliveryRow:
    history_id = f"{call:032x}"
    values = {"webhook_id": HOOK.id, "event_id": f"{history_id}-{sequence}", "history_id": history_id, "event": "{}"}
    return DeliveryRow(**{**values, **fields})


@pytest.fixture
def webhooks(database: Database) -> WebhookStore:
    return WebhookStore(database)


@pytest.fixture
async def store(database: Database, ahead: Path) -> AsyncIterator[HistoryStore]:
    made = HistoryStore(database, ahead)
    await made.start()
    yield made
    await made.stop()


def events_on_disk(file: Path) -> list[str]:
    """What another process sees."""
    with sqlite3.connect(file) as other:
        found = [str(row[0]) for row in other.execute("SELECT event_id FROM deliveries ORDER BY event_id")]
    other.close()
    return found


async def test_a_webhook_comes_back_as_it_was(webhooks: WebhookStore) -> None:
    await webhooks.save(HOOK)
    assert await webhooks.load() == [HOOK]


async def test_a_webhook_is_written_over(webhooks: WebhookStore) -> None:
    await webhooks.save(HOOK)
    changed = msgspec.structs.replace(HOOK, url="http://other.example/", kinds=None)
    await webhooks.save(changed)
    assert await webhooks.load() == [changed]


async def test_an_account_has_one_webhook_of_a_type(webhooks: WebhookStore) -> None:
    await webhooks.save(HOOK)
    with pytest.raises(StorageError):
        await webhooks.save(msgspec.structs.replace(HOOK, id="e" * 32))


async def test_what_waits_comes_back_in_the_order_of_the_calls(store: HistoryStore, webhooks: WebhookStore) -> None:
    for row in (delivery(2, 1), delivery(1, 4, attempts=3, due_at=7.5), delivery(1, 3), delivery(2, 2)):
        store.outbox.post(row)
    await store.caught_up()
    waiting = await webhooks.waiting()
    expected = [delivery(1, 3), delivery(1, 4, attempts=3, due_at=7.5), delivery(2, 1), delivery(2, 2)]
    assert waiting == [msgspec.structs.replace(row, event="") for row in expected]


async def test_an_event_is_read_as_it_was_posted(store: HistoryStore, webhooks: WebhookStore) -> None:
    store.outbox.post(delivery(1, 1, event='{"metadata":"☎"}'))
    await store.caught_up()
    assert await webhooks.event(HOOK.id, delivery(1, 1).event_id) == '{"metadata":"☎"}'
    assert await webhooks.event(HOOK.id, "another") is None


async def test_removing_a_webhook_removes_what_waits_for_it(store: HistoryStore, webhooks: WebhookStore) -> None:
    await webhooks.save(HOOK)
    store.outbox.post(delivery(1, 1))
    store.outbox.post(delivery(1, 1, webhook_id="e" * 32))
    await store.caught_up()
    await webhooks.remove(HOOK.id)
    assert await webhooks.load() == []
    assert [row.webhook_id for row in await webhooks.waiting()] == ["e" * 32]


async def test_further_tries_and_ends_are_written(store: HistoryStore, webhooks: WebhookStore, file: Path) -> None:
    store.outbox.post(delivery(1, 1))
    store.outbox.post(delivery(1, 2))
    await store.caught_up()
    store.outbox.postpone(delivery(1, 2, attempts=1, due_at=9.5))
    store.outbox.settle(HOOK.id, delivery(1, 1).event_id)
    await store.caught_up()
    assert await webhooks.waiting() == [delivery(1, 2, attempts=1, due_at=9.5, event="")]
    assert events_on_disk(file) == [delivery(1, 2).event_id]


async def test_whoever_sends_is_told_when_it_is_on_disk(store: HistoryStore, file: Path) -> None:
    told: list[tuple[list[str], list[str]]] = []
    store.outbox.told = lambda rows: told.append(([row.event_id for row in rows], events_on_disk(file)))
    store.outbox.post(delivery(1, 1))
    await store.caught_up()
    ids = [delivery(1, 1).event_id]
    assert told == [(ids, ids)]


async def test_the_end_of_a_call_and_its_event_are_one_transaction(
    store: HistoryStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    told: list[str] = []
    store.outbox.told = lambda rows: told.extend(row.event_id for row in rows)
    await store.accept(accepted(1))
    await store.caught_up()
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    store.outbox.post(delivery(1, 3))
    await store.caught_up()
    assert ([row.call_id for row in await store.running()], events_on_disk(file), told) == (["c2c-1"], [], [])
    other.rollback()
    other.close()
    while store.ended or store.is_writing:
        await store.caught_up()
    ids = [delivery(1, 3).event_id]
    assert (await store.running(), events_on_disk(file), told) == ([], ids, ids)


async def test_an_event_that_is_there_already_stops_nobody(store: HistoryStore, file: Path) -> None:
    """A process killed at the wrong moment may post the end of a call that its successor posts again."""
    store.outbox.post(delivery(1, 3))
    await store.caught_up()
    store.outbox.post(delivery(1, 3))
    await store.accept(accepted(2))
    await store.caught_up()
    assert [row.call_id for row in await store.running()] == ["c2c-2"]
    assert events_on_disk(file) == [delivery(1, 3).event_id]


async def test_stop_writes_what_waits(database: Database, file: Path, ahead: Path) -> None:
    store = HistoryStore(database, ahead)
    await store.start()
    store.outbox.post(delivery(1, 1))
    await store.stop()
    assert events_on_disk(file) == [delivery(1, 1).event_id]


def test_the_statements_are_postgresqls_too() -> None:
    outbox = Outbox(Database("postgresql://c2c@127.0.0.1/c2c", 1.0), lambda: None)
    outbox.post(delivery(1, 1))
    outbox.postpone(delivery(1, 2, attempts=1, due_at=9.5))
    outbox.settle(HOOK.id, "x")
    insert, update, delete = outbox.batches(outbox.take())
    assert "ON CONFLICT DO NOTHING" in insert[0] and "$6" in insert[0]
    assert (len(insert[1][0]), sorted(map(str, update[1][0])), set(delete[1][0])) == (
        6,
        sorted(["1", "9.5", HOOK.id, delivery(1, 2).event_id]),
        {HOOK.id, "x"},
    )
