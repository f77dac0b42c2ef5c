"""Many rows into an SQLite file in one transaction, on one thread: a call's rows are most of what is written here.

The general way hops between threads for every statement and costs more for a row than SQLite does.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from typing import Any

CHECKPOINT = 4000
"""Pages in the log (16 MB) after which they go into the file: what is written again and again goes there once."""
Batch = tuple[str, Sequence[tuple[Any, ...]]]
"""A statement and the rows to run it with."""
WIDTHS = (64, 16, 4)
"""Rows inserted by one statement: for each statement SQLite lets go of Python's lock and has to wait for it again."""
ROW = re.compile(r"VALUES (\([?, ]+\))")
"""The placeholders of a row to be inserted."""


class SqliteWriter:
    """Opens `file` when it is first needed; whoever uses it sees to it that nobody else writes meanwhile."""

    def __init__(self, file: str, busy_timeout: float) -> None:
        self.file = file
        self.busy_timeout = busy_timeout
        self.connection: sqlite3.Connection | None = None
        self.thread = ThreadPoolExecutor(1, "history")

    async def write(self, batches: Sequence[Batch]) -> None:
        """All of it is on the disk, or sqlite3.Error and none of it is."""
        await asyncio.get_running_loop().run_in_executor(self.thread, self.commit, batches)

    async def close(self) -> None:
        """End the thread; a later `write` starts another."""
        if self.connection:
            await asyncio.get_running_loop().run_in_executor(self.thread, self.disconnect)
        self.thread.shutdown()
        self.thread = ThreadPoolExecutor(1, "history")

    def commit(self, batches: Sequence[Batch]) -> None:
        connection = self.connection = self.connection or self.connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in batches:
                if not rows:
                    continue
                at = 0
                for width in WIDTHS if ROW.search(statement) else ():
                    while at + width <= len(rows):
                        connection.execute(widened(statement, width), [*chain.from_iterable(rows[at : at + width])])
                        at += width
                connection.executemany(statement, rows[at:])
            connection.execute("COMMIT")
        except sqlite3.Error:
            # What is wrong may be with the connection: the next attempt gets a new one.
            self.disconnect()
            raise

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.file, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            set_pragmas(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def disconnect(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


@lru_cache
def widened(statement: str, width: int) -> str:
    """The statement for so many rows at once."""
    return ROW.sub(lambda found: "VALUES " + ", ".join([found[1]] * width), statement)


def set_pragmas(connection: Any) -> None:
    """Readers do not wait for the writer; what is committed is on the disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
    cursor.close()
