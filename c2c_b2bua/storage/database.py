"""One database: opened, brought to the newest schema, and written by one hand at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from c2c_b2bua.storage.sqlite_writer import Batch, SqliteWriter, set_pragmas

MIGRATIONS = Path(__file__).parent / "migrations"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
FAILURES = (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError, ValueError)


class StorageError(Exception):
    """The database did not do what it was asked: locked, full, read-only, away."""


class ConflictError(StorageError):
    """Somebody else has changed or made it meanwhile."""


class Database:
    """`url` is `sqlite:///path` or `postgresql://…`; `busy_timeout` the seconds to wait for another process's lock."""

    def __init__(self, url: str, busy_timeout: float) -> None:
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.drivername == "sqlite"
        self.file = parsed.database or ""
        self.busy_timeout = busy_timeout
        arguments: dict[str, Any] = {"timeout": busy_timeout} if self.is_sqlite else {}
        self.engine = create_async_engine(
            parsed.set(drivername=DRIVERS[parsed.drivername]), connect_args=arguments, pool_pre_ping=not self.is_sqlite
        )
        if self.is_sqlite:
            sa.event.listen(self.engine.sync_engine, "connect", prepare)
        self.one_writer = asyncio.Lock()
        self.is_open = False
        self.rows_writer = SqliteWriter(self.file, busy_timeout) if self.is_sqlite else None

    async def start(self) -> None:
        """Create or upgrade the tables; StorageError when that is impossible."""
        if self.is_sqlite:
            # aiosqlite 0.22 leaves a thread behind when it cannot open a file, and that may outlive the loop.
            await asyncio.to_thread(self.try_file)
        async with self.writing() as connection:
            await connection.run_sync(upgrade)
        self.is_open = True

    def try_file(self) -> None:
        """StorageError when this is no SQLite file that can be opened."""
        try:
            with contextlib.closing(sqlite3.connect(self.file, timeout=self.busy_timeout)) as connection:
                connection.execute("PRAGMA schema_version")
        except FAILURES as error:
            raise StorageError(reason(error)) from error

    async def stop(self) -> None:
        """Close every connection."""
        self.is_open = False
        if self.rows_writer:
            await self.rows_writer.close()
        await self.engine.dispose()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed and on disk at the end of the block; StorageError and nothing done otherwise."""
        async with self.one_writer:
            try:
                async with self.engine.begin() as connection:
                    yield connection
            except FAILURES as error:
                raise StorageError(reason(error)) from error

    async def write_rows(self, batches: Sequence[Batch]) -> None:
        """Statements in the database's own words, with their rows, in one transaction: as `writing`."""
        if self.rows_writer is None:
            async with self.writing() as connection:
                for statement, rows in batches:
                    if not rows:
                        continue
                    await connection.exec_driver_sql(statement, list(rows))
            return
        async with self.one_writer:
            try:
                await self.rows_writer.write(batches)
            except FAILURES as error:
                raise StorageError(reason(error)) from error

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with; StorageError when that fails."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except FAILURES as error:
            raise StorageError(reason(error)) from error


def prepare(connection: Any, _record: object) -> None:
    """Set a new connection of the pool up."""
    try:
        set_pragmas(connection)
    except sqlite3.Error:
        connection.close()  # The pool forgets a connection that failed here, and its thread would live on.
        raise


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that this database has not seen."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(f"its tables are not of this version of ours: {error}") from error


def reason(error: BaseException) -> str:
    """One line of what the driver said, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
