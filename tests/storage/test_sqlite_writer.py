"""Rows into an SQLite file: all of them, whatever their number, or none."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from c2c_b2bua.storage.sqlite_writer import WIDTHS, SqliteWriter

INSERT = "INSERT INTO t (id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
UPDATE = "UPDATE t SET name=? WHERE id=?"


@pytest.fixture
async def writer(file: Path) -> AsyncIterator[SqliteWriter]:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    connection.close()
    made = SqliteWriter(str(file), 1.0)
    yield made
    await made.close()


def rows(file: Path) -> list[tuple[int, str]]:
    with sqlite3.connect(file) as connection:
        found = connection.execute("SELECT id, name FROM t ORDER BY id").fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 63, 64, sum(WIDTHS) + 3, 3 * WIDTHS[0] + 1])
async def test_any_number_of_rows(writer: SqliteWriter, file: Path, count: int) -> None:
    expected = [(number, f"row {number}") for number in range(count)]
    await writer.write([(INSERT, expected), (UPDATE, [("changed", 0)])])
    assert rows(file) == [(number, "changed" if not number else name) for number, name in expected]
    await writer.write([(INSERT, [(number, "again") for number in range(count)])])
    assert rows(file) == [(number, "changed" if not number else name) for number, name in expected]


async def test_one_that_is_wrong_spoils_all(writer: SqliteWriter, file: Path) -> None:
    wrong: list[tuple[int, str | None]] = [(number, "right") for number in range(70)]
    with pytest.raises(sqlite3.IntegrityError):
        await writer.write([(INSERT, [*wrong, (70, None)])])
    assert rows(file) == []
    await writer.write([(INSERT, wrong)])
    assert len(rows(file)) == 70
