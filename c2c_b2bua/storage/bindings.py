"""Registered phones as rows, written behind: what changes often in a moment is written once, many in one transaction."""

from __future__ import annotations

import asyncio

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.schema import bindings
from c2c_b2bua.storage.webhooks import Ordered

log = structlog.get_logger()

GROUP = 500
"""Rows in one transaction at most, so that the history of calls need not wait for long."""
GATHER = 0.25
"""Seconds between two groups."""
RETRY = 1.0
"""Seconds until what could not be written is tried again."""


class BindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One binding; `body` is JSON."""

    id: str
    expires_at: float
    body: str


class BindingStore:
    """The table `bindings` and its one writer. A killed process loses what it heard in its last moment, no more."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.changes: dict[str, BindingRow | None] = {}
        """Id -> what is to be written; None: the row is to go."""
        self.something = asyncio.Event()
        self.closing = asyncio.Event()
        self.writer: asyncio.Task[None] | None = None
        insert = (sqlite if database.is_sqlite else postgresql).insert(bindings)
        upsert = insert.values({name: sa.bindparam(name) for name in BindingRow.__struct_fields__})
        upsert = upsert.on_conflict_do_update(
            index_elements=[bindings.c.id],
            set_={"expires_at": upsert.excluded.expires_at, "body": upsert.excluded.body},
        )
        self.upsert = Ordered(upsert, database)
        self.delete = Ordered(bindings.delete().where(bindings.c.id == sa.bindparam("row")), database)

    async def load(self, now: float) -> list[BindingRow]:
        """What has not expired; the rest is dropped."""
        async with self.database.writing() as connection:
            await connection.execute(bindings.delete().where(bindings.c.expires_at <= now))
            rows = await connection.execute(sa.select(bindings).order_by(bindings.c.id))
            return [BindingRow(**row) for row in rows.mappings()]

    async def start(self) -> None:
        """Let the writer write."""
        self.writer = asyncio.create_task(self.write(), name="bindings")

    async def stop(self, patience: float = 5.0) -> None:
        """Write what is waiting, for at most `patience` seconds."""
        self.closing.set()
        self.something.set()
        if self.writer is None:
            return
        done, _ = await asyncio.wait([self.writer], timeout=patience)
        if not done:
            log.error("registrations not written", bindings=len(self.changes))
            self.writer.cancel()
            await asyncio.wait([self.writer])

    async def flush(self) -> None:
        """Returns when what is known by now is on disk, or the disk has refused it."""
        while self.changes and await self.write_group():
            pass
        async with self.database.one_writer:
            return  # The writer has had its turn.

    def put(self, row: BindingRow) -> None:
        """Have a binding written, new or renewed."""
        self.changes[row.id] = row
        self.something.set()

    def drop(self, binding_id: str) -> None:
        """Have it forgotten."""
        self.changes[binding_id] = None
        self.something.set()

    async def write(self) -> None:
        """Group after group, until closed and nothing waits."""
        while not (self.closing.is_set() and not self.changes):
            await self.something.wait()
            self.something.clear()
            while self.changes:
                is_written = await self.write_group()
                await self.pause(GATHER if is_written else RETRY, is_written)

    async def pause(self, seconds: float, is_written: bool) -> None:
        """Let some gather; who is closing does not wait, unless for a disk that refused."""
        if self.closing.is_set():
            await asyncio.sleep(0 if is_written else seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def write_group(self) -> bool:
        """One transaction; whether it is on disk. What is refused stays, unless it has changed meanwhile."""
        taken = {key: self.changes[key] for key in list(self.changes)[:GROUP]}
        for key in taken:
            del self.changes[key]
        rows = [msgspec.structs.asdict(row) for row in taken.values() if row is not None]
        gone: list[dict[str, object]] = [{"row": key} for key, row in taken.items() if row is None]
        try:
            await self.database.write_rows([self.upsert.batch(rows), self.delete.batch(gone)])
        except StorageError as error:
            log.warning("registrations not written", reason=str(error), bindings=len(taken))
            self.changes = {**taken, **self.changes}
            return False
        return True
