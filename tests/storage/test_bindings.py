"""The writer of registrations: behind, in groups, the last word of each, through trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from c2c_b2bua.storage import bindings as module
from c2c_b2bua.storage.bindings import BindingRow, BindingStore
from c2c_b2bua.storage.database import Database


def row(number: int, body: str = "{}", expires_at: float = 1000.0) -> BindingRow:
    return BindingRow(id=f"{number:016x}", expires_at=expires_at, body=body)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[BindingStore]:
    made = BindingStore(database)
    await made.start()
    yield made
    await made.stop()


async def test_what_was_put_is_there_after_a_restart(database: Database, store: BindingStore) -> None:
    store.put(row(1))
    store.put(row(2, '{"aor":"x"}', 500.0))
    await store.stop()
    assert await BindingStore(database).load(499.0) == [row(1), row(2, '{"aor":"x"}', 500.0)]


async def test_only_the_last_word_is_written(
    database: Database, store: BindingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write_rows = database.write_rows

    async def count(batches: list[tuple[str, list[object]]]) -> None:
        written.append(sum(len(rows) for _, rows in batches))
        await write_rows(batches)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "write_rows", count)
    for number in range(100):
        store.put(row(1, str(number)))
    store.put(row(2))
    store.drop(row(2).id)
    await store.stop()
    assert sum(written) == 2
    assert await BindingStore(database).load(0.0) == [row(1, "99")]


async def test_renewed_and_dropped(database: Database, store: BindingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER", 0.0)
    store.put(row(1))
    await written(store)
    store.put(row(1, "later", 2000.0))
    await written(store)
    assert await BindingStore(database).load(1500.0) == [row(1, "later", 2000.0)]
    store.drop(row(1).id)
    store.drop(row(7).id)
    await written(store)
    assert await BindingStore(database).load(0.0) == []


async def written(store: BindingStore) -> None:
    """Have what gathered written now, by a writer that is started anew."""
    await store.stop()
    store.closing.clear()
    await store.start()


async def test_more_than_one_group(database: Database, store: BindingStore) -> None:
    for number in range(module.GROUP * 2 + 1):
        store.put(row(number))
    await store.stop()
    assert len(await BindingStore(database).load(0.0)) == module.GROUP * 2 + 1


async def test_what_has_expired_is_dropped_at_the_start(database: Database, store: BindingStore, file: Path) -> None:
    store.put(row(1, expires_at=100.0))
    store.put(row(2, expires_at=200.0))
    await store.stop()
    assert await BindingStore(database).load(100.0) == [row(2, expires_at=200.0)]
    with sqlite3.connect(file) as other:
        assert other.execute("SELECT count(*) FROM bindings").fetchone() == (1,)
    other.close()


async def test_what_the_disk_refuses_is_written_later(
    database: Database, store: BindingStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put(row(1, "first"))
    store.put(row(2))
    assert not await store.write_group()
    store.put(row(1, "second"))
    other.execute("ROLLBACK")
    other.close()
    await store.stop()
    assert await BindingStore(database).load(0.0) == [row(1, "second"), row(2)]


async def test_a_disk_that_refuses_for_ever_does_not_hold_up_the_end(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    store = BindingStore(database)
    await store.start()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put(row(1))
    await store.stop(patience=0.2)
    assert store.writer is not None
    assert store.writer.done()
    other.execute("ROLLBACK")
    other.close()
