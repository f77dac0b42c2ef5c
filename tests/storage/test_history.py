"""The writer of history: on disk before it says so, in groups, through trouble."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.storage import history as module
from c2c_b2bua.storage import write_ahead
from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.history import GROUP, HistoryStore
from c2c_b2bua.storage.history_rows import Ended, HistoryRow
from c2c_b2bua.storage.sqlite_writer import Batch
from c2c_b2bua.storage.write_ahead import Accepted, Replied

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
async def store(database: Database, ahead: Path) -> AsyncIterator[HistoryStore]:
    made = HistoryStore(database, ahead)
    await made.start()
    yield made
    await made.stop()


def rows_on_disk(file: Path) -> list[tuple[Any, ...]]:
    """What another process sees."""
    with sqlite3.connect(file) as other:
        found = other.execute("SELECT id, result, cause FROM history ORDER BY id").fetchall()
    other.close()
    return found


async def after_a_kill(file: Path, ahead: Path) -> list[HistoryRow]:
    """The calls that the next process knows, which finds both files as they are now; ours stay as they are."""
    copy = file.with_name("copy")
    copy.mkdir()
    for path in file.parent.glob("c2c.db*"):
        shutil.copy(path, copy / path.name)
    database = Database(f"sqlite:///{copy / file.name}", 1.0)
    await database.start()
    store = HistoryStore(database, copy / ahead.name)
    await store.start()
    rows = await store.running()
    await store.stop()
    await database.stop()
    assert [path.name for path in copy.glob(f"{ahead.name}*")] == []
    shutil.rmtree(copy)
    return rows


async def test_accept_returns_when_it_is_safe(store: HistoryStore, file: Path, ahead: Path) -> None:
    await store.accept(accepted(1, details="{}"))
    assert rows_on_disk(file) == []
    assert [(row.call_id, row.details) for row in await after_a_kill(file, ahead)] == [("c2c-1", "{}")]
    await store.caught_up()
    assert rows_on_disk(file) == [(f"{1:032x}", None, None)]
    assert [row.call_id for row in await after_a_kill(file, ahead)] == ["c2c-1"]


async def test_a_killed_process_has_accepted_before_it_could_wait(store: HistoryStore, file: Path, ahead: Path) -> None:
    """Phones are rung before the disk has said that it has synced."""
    waits = store.accept(accepted(1))
    assert not waits.done()
    assert [row.call_id for row in await after_a_kill(file, ahead)] == ["c2c-1"]
    await waits


async def test_a_reply_is_safe_too(store: HistoryStore, file: Path, ahead: Path) -> None:
    await store.accept(accepted(1, idempotency_key="k", request_hash="h"))
    await store.caught_up()
    await store.accept(accepted(2, idempotency_key="l", request_hash="h"))
    for number in (1, 2):
        await store.reply(Replied(id=f"{number:032x}", reply=f"{number}"))
    assert [row.reply for row in await after_a_kill(file, ahead)] == ["1", "2"]
    await store.caught_up()
    assert [row.reply for row in await store.replayable("")] == ["1", "2"]


async def test_a_call_that_ends_soon_is_written_once(
    store: HistoryStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[int]] = []
    write_rows = store.database.write_rows

    async def counted(given: Sequence[Batch]) -> None:
        batches.append([len(rows) for _, rows in given])
        await write_rows(given)

    monkeypatch.setattr(store.database, "write_rows", counted)
    await asyncio.gather(*(store.accept(accepted(number)) for number in range(300)))
    for number in range(300):
        store.end(ended(number))
    await store.caught_up()
    assert [row[1:] for row in rows_on_disk(file)] == [("error", "USER_BUSY")] * 300
    assert batches == [[300, 0, 0]]


async def test_more_than_one_group(store: HistoryStore, file: Path) -> None:
    many = 2 * GROUP + 7
    await asyncio.gather(*(store.accept(accepted(number)) for number in range(many)))
    for number in range(many):
        store.end(ended(number))
    await store.accept(accepted(many))
    await store.caught_up()
    assert [row[1] for row in rows_on_disk(file)] == ["error"] * many + [None]


async def test_a_call_that_goes_on_is_written_after_a_while(
    store: HistoryStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER", 0.01)
    written = asyncio.Event()
    store.written = lambda ends: written.set()
    await store.accept(accepted(1))
    await written.wait()
    assert rows_on_disk(file) == [(f"{1:032x}", None, None)]


async def test_full_logs_go_when_the_database_has_all_of_them(store: HistoryStore, file: Path, ahead: Path) -> None:
    assert store.ahead
    store.ahead.full = 1000
    for number in range(40):
        await store.accept(accepted(number))
    assert len([*ahead.parent.glob(f"{ahead.name}.*")]) > 4
    assert len(await after_a_kill(file, ahead)) == 40
    await store.caught_up()
    assert [path.name for path in ahead.parent.glob(f"{ahead.name}.*")] == [
        store.ahead.file and store.ahead.file.path.name
    ]


async def test_two_processes_have_logs_of_their_own(store: HistoryStore, database: Database, ahead: Path) -> None:
    await store.accept(accepted(1))
    other = HistoryStore(database, ahead)
    await other.start()
    await other.accept(accepted(2))
    assert await other.running() == []
    await other.stop()
    assert [row.call_id for row in await other.running()] == ["c2c-2"]
    await store.caught_up()
    assert [row.call_id for row in await store.running()] == ["c2c-1", "c2c-2"]


async def test_a_log_of_another_version_is_left_alone(database: Database, ahead: Path) -> None:
    log = ahead.with_name(f"{ahead.name}.1")
    log.write_bytes(b"c2c accepted 0\nwhatever")
    with pytest.raises(StorageError, match="of this version"):
        await HistoryStore(database, ahead).start()
    assert log.exists()


async def test_an_entry_that_was_cut_short_is_none(database: Database, ahead: Path, file: Path) -> None:
    store = HistoryStore(database, ahead)
    await store.start()
    await store.accept(accepted(1))
    assert store.ahead and store.ahead.file
    log = store.ahead.file.path
    whole = log.read_bytes()
    await store.stop()
    for length in range(len(whole)):
        log.write_bytes(whole[:length])
        await HistoryStore(database, ahead).recover()
        assert not log.exists()
    log.write_bytes(whole + whole[20:-1])
    await HistoryStore(database, ahead).recover()
    assert len(rows_on_disk(file)) == 1


async def test_an_end_is_written_over_its_call(store: HistoryStore, file: Path) -> None:
    await store.accept(accepted(1))
    await store.caught_up()
    store.end(ended(1))
    await store.caught_up()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY")]
    assert await store.running() == []


async def test_a_locked_database_refuses_accepts_and_keeps_the_rest(
    store: HistoryStore, file: Path, ahead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    await store.accept(accepted(1))
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    await store.accept(accepted(2))
    await store.caught_up()
    with pytest.raises(StorageError, match="locked"):
        await store.accept(accepted(3))
    other.rollback()
    other.close()
    while store.failure:
        await store.caught_up()
    await store.accept(accepted(4))
    await store.caught_up()
    assert rows_on_disk(file) == [
        (f"{1:032x}", "error", "USER_BUSY"),
        (f"{2:032x}", None, None),
        (f"{4:032x}", None, None),
    ]


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


async def test_a_full_disk_refuses_accepts(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk took of an entry is taken back."""
    await store.accept(accepted(1))
    assert store.ahead and store.ahead.file
    pwrite, size = os.pwrite, store.ahead.file.size

    def full(descriptor: int, data: bytes, at: int) -> int:
        if at > size:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[:10], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match="No space left"):
            await store.accept(accepted(2))
    assert store.ahead.file.path.stat().st_size == size
    await store.accept(accepted(3))
    await store.caught_up()
    assert [row.call_id for row in await store.running()] == ["c2c-1", "c2c-3"]


async def test_a_disk_that_cannot_sync_refuses_accepts(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    waits = store.accept(accepted(1))
    with pytest.raises(StorageError, match="Input/output"):
        await waits


async def test_where_several_calls_come_more_are_waited_for(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead, "CALM", 1000.0)
    assert store.ahead
    await store.accept(accepted(1))
    assert store.ahead.pause == write_ahead.ALONE
    await asyncio.gather(store.accept(accepted(2)), store.accept(accepted(3)))
    assert store.ahead.pause == write_ahead.TOGETHER
    await store.accept(accepted(4))
    assert store.ahead.pause == write_ahead.ALONE


async def test_a_full_database_refuses_accepts_and_keeps_the_rest(
    store: HistoryStore, database: Database, file: Path, ahead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    await store.accept(accepted(1))
    await store.caught_up()
    fill(database)
    await asyncio.gather(*(store.accept(accepted(number)) for number in range(2, 400)))
    await store.caught_up()
    with pytest.raises(StorageError, match="full"):
        await store.accept(accepted(400))
    assert rows_on_disk(file) == [(f"{1:032x}", None, None)]
    # A connection whose disk was full is not used again.
    while store.failure:
        await store.caught_up()
    assert len(rows_on_disk(file)) == 399


def fill(database: Database) -> None:
    """Let the connection that writes calls refuse to make the file any larger."""
    assert database.rows_writer and database.rows_writer.connection
    database.rows_writer.connection.execute("PRAGMA max_page_count=1")


async def test_stop_writes_what_waits(database: Database, file: Path, ahead: Path) -> None:
    store = HistoryStore(database, ahead)
    await store.start()
    await store.accept(accepted(1))
    store.end(ended(1))
    await store.stop()
    assert rows_on_disk(file) == [(f"{1:032x}", "error", "USER_BUSY")]
    with pytest.raises(StorageError, match="closing"):
        await store.accept(accepted(2))


async def test_stop_does_not_wait_for_ever(database: Database, file: Path, ahead: Path) -> None:
    store = HistoryStore(database, ahead)
    await store.start()
    await store.accept(accepted(1))
    await store.caught_up()
    await store.accept(accepted(2))
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    store.end(ended(1))
    async with asyncio.timeout(5):
        await store.stop(patience=0.1)
    other.rollback()
    other.close()
    assert [row.id for row in await store.running()] == [f"{1:032x}"]
    # The other one is in the log, for the next process.
    await HistoryStore(database, ahead).recover()
    assert [row.id for row in await store.running()] == [f"{1:032x}", f"{2:032x}"]


async def test_a_request_that_is_given_up_harms_no_other(store: HistoryStore, file: Path) -> None:
    first, second = store.accept(accepted(1)), store.accept(accepted(2))
    first.cancel()
    await second
    await store.caught_up()
    assert len(rows_on_disk(file)) == 2


async def test_pages_are_in_the_order_of_the_calls(store: HistoryStore) -> None:
    for number in (1, 2, 3, 4):
        await store.accept(accepted(number))
    await store.caught_up()
    newest = await store.page(A, D, f"{2:032x}", f"{4:032x}", True, 2)
    assert [row.call_id for row in newest] == ["c2c-4", "c2c-3"]
    oldest = await store.page(A, D, f"{2:032x}", f"{4:032x}", False, None)
    assert [row.call_id for row in oldest] == ["c2c-2", "c2c-3", "c2c-4"]
    assert await store.page("b" * 32, D, "", "g", True, None) == []


async def test_a_call_is_found_by_its_id(store: HistoryStore) -> None:
    await store.accept(accepted(1))
    await store.caught_up()
    found = await store.call("c2c-1")
    assert found is not None and found.id == f"{1:032x}"
    assert await store.call("c2c-2") is None


async def test_what_has_an_idempotency_key_can_be_replayed(store: HistoryStore) -> None:
    await store.accept(accepted(1, idempotency_key="k", request_hash="h", reply="{}"))
    await store.accept(accepted(2))
    await store.caught_up()
    assert [row.idempotency_key for row in await store.replayable("")] == ["k"]
    assert await store.replayable(f"{2:032x}") == []
