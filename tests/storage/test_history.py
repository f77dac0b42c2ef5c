"""The writer of history: on disk before it says so, in groups, through trouble."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.storage import history as module
from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.history import Accepted, Ended, HistoryStore

A, D = "a" * 32, "d" * 32


def accepted(number: int, **fields: Any) -> Accepted:
    return Accepted(
        id=f"{number:032x}",
        account_id=A,
        document_id=D,
        call_id=f"c2c-{number}",
        contact="+14155550100",
        accepted_at=float(number),
        **fields,
    )


def ended(number: int) -> Ended:
    return Ended(
        id=f"{number:032x}", ended_at=number + 5.0, result="error", cause="USER_BUSY", ended_by="b", record="{}"
    )


@pytest.fixture
async def store(database: Database) -> AsyncIterator[HistoryStore]:
    made = HistoryStore(database)
    await made.start()
    yield made
    await made.stop()


def rows_on_disk(file: Path) -> list[tuple[Any, ...]]:
    """What another process sees."""
    with sqlite3.connect(file) as other:
        found = other.execute("SELECT id, result, cause FROM history ORDER BY id").fetchall()
    other.close()
    return found


async def test_accept_returns_when_it_is_on_disk(store: HistoryStore, file: Path) -> None:
    await store.accept(accepted(1))
    assert rows_on_disk(file) == [(f"{1:032x}", None, None)]


async def test_what_gathers_is_one_commit(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    write_group = store.write_group

    async def counted() -> bool:
        groups.append(len(store.accepted))
        return await write_group()

    monkeypatch.setattr(store, "write_group", counted)
    await asyncio.gather(*(store.accept(accepted(number)) for number in range(300)))
    assert sum(groups) == 300
    assert len(groups) < 10


async def test_an_end_is_written_over_its_call(store: HistoryStore, file: Path) -> None:
    await store.accept(accepted(1))
    store.end(ended(1))
    await store.caught_up()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY")]
    assert await store.running() == []


async def test_a_locked_database_refuses_accepts_and_keeps_ends(
    store: HistoryStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    await store.accept(accepted(1))
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    with pytest.raises(StorageError, match="locked"):
        await store.accept(accepted(2))
    other.rollback()
    other.close()
    await store.accept(accepted(3))
    await store.caught_up()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY"), (f"{3:032x}", None, None)]


async def test_an_end_alone_is_tried_again_until_the_disk_takes_it(
    store: HistoryStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    await store.accept(accepted(1))
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    await store.caught_up()
    assert len(store.ended) == 1
    other.rollback()
    other.close()
    while store.ended:
        await store.caught_up()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY")]


async def test_a_full_disk_refuses_accepts(store: HistoryStore, database: Database, file: Path) -> None:
    await store.accept(accepted(1))
    fill(database)
    outcomes = await asyncio.gather(
        *(store.accept(accepted(number)) for number in range(2, 400)), return_exceptions=True
    )
    assert {(type(outcome), "full" in str(outcome)) for outcome in outcomes} == {(StorageError, True)}
    assert rows_on_disk(file) == [(f"{1:032x}", None, None)]


def fill(database: Database) -> None:
    """Let the connection that writes calls refuse to make the file any larger."""
    assert database.rows_writer and database.rows_writer.connection
    database.rows_writer.connection.execute("PRAGMA max_page_count=1")


async def test_stop_writes_what_waits(database: Database, file: Path) -> None:
    store = HistoryStore(database)
    await store.start()
    await store.accept(accepted(1))
    store.end(ended(1))
    await store.stop()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY")]
    with pytest.raises(StorageError, match="closing"):
        await store.accept(accepted(2))


async def test_stop_does_not_wait_for_ever(database: Database, file: Path) -> None:
    store = HistoryStore(database)
    await store.start()
    await store.accept(accepted(1))
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    async with asyncio.timeout(5):
        await store.stop(patience=0.1)
    other.rollback()
    other.close()
    assert [row.id for row in await store.running()] == [f"{1:032x}"]


async def test_a_request_that_is_given_up_harms_no_other(store: HistoryStore, file: Path) -> None:
    first = asyncio.create_task(store.accept(accepted(1)))
    second = asyncio.create_task(store.accept(accepted(2)))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(rows_on_disk(file)) == 2


async def test_pages_are_in_the_order_of_the_calls(store: HistoryStore) -> None:
    for number in (1, 2, 3, 4):
        await store.accept(accepted(number))
    newest = await store.page(A, D, f"{2:032x}", f"{4:032x}", True, 2)
    assert [row.call_id for row in newest] == ["c2c-4", "c2c-3"]
    oldest = await store.page(A, D, f"{2:032x}", f"{4:032x}", False, None)
    assert [row.call_id for row in oldest] == ["c2c-2", "c2c-3", "c2c-4"]
    assert await store.page("b" * 32, D, "", "g", True, None) == []


async def test_a_call_is_found_by_its_id(store: HistoryStore) -> None:
    await store.accept(accepted(1))
    found = await store.call("c2c-1")
    assert found is not None and found.id == f"{1:032x}"
    assert await store.call("c2c-2") is None


async def test_what_has_an_idempotency_key_can_be_replayed(store: HistoryStore) -> None:
    await store.accept(accepted(1, idempotency_key="k", request_hash="h", reply="{}"))
    await store.accept(accepted(2))
    assert [row.idempotency_key for row in await store.replayable("")] == ["k"]
    assert await store.replayable(f"{2:032x}") == []
