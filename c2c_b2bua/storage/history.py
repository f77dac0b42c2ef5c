"""One row per call, written twice: before the request is answered, and when the call has ended.

All writes go through one task that commits whatever has gathered while the disk was busy with the group before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.sql.compiler import SQLCompiler

from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.schema import history
from c2c_b2bua.storage.webhooks import Outbox

log = structlog.get_logger()

GROUP = 500
"""Rows in one transaction at most."""
GATHER = 0.003
"""Seconds until the next group under load, which is when a group had more than `BUSY` rows."""
BUSY = 2
RETRY = 0.5
"""Seconds until ends that could not be written are tried again."""


class Accepted(msgspec.Struct, kw_only=True):
    """A call about to be made; `accepted_at` in seconds since 1970.

    `details` is a JSON object; the other three that may be None come with an idempotency key.
    """

    id: str
    account_id: str
    document_id: str
    call_id: str
    contact: str
    accepted_at: float
    idempotency_key: str | None = None
    request_hash: str | None = None
    reply: str | None = None
    details: str | None = None


class Replied(msgspec.Struct, kw_only=True):
    """What a request that waited for its call was answered, when that came to be known."""

    id: str
    reply: str


class Ended(msgspec.Struct, kw_only=True):
    """How it ended; `record` is JSON."""

    id: str
    ended_at: float
    result: str
    cause: str | None
    ended_by: str | None
    record: str


class HistoryRow(Accepted, kw_only=True):
    """A call as it is kept; what has not happened is None."""

    ended_at: float | None = None
    result: str | None = None
    cause: str | None = None
    ended_by: str | None = None
    record: str | None = None


INSERT = history.insert().values({name: sa.bindparam(name) for name in Accepted.__struct_fields__})
REPLY = history.update().where(history.c.id == sa.bindparam("row")).values(reply=sa.bindparam("reply"))
UPDATE = (
    history.update()
    .where(history.c.id == sa.bindparam("row"))
    .values({name: sa.bindparam(name) for name in Ended.__struct_fields__ if name != "id"})
)


class Prepared:
    """A statement compiled once for this database; `values` takes a row's fields in the order of its placeholders.

    The general way costs more per row than the database does.
    """

    def __init__(self, statement: sa.Insert | sa.Update, database: Database) -> None:
        compiled = statement.compile(dialect=database.engine.dialect)
        assert isinstance(compiled, SQLCompiler) and compiled.positiontup
        self.text = str(compiled)
        self.values = attrgetter(*("id" if name == "row" else name for name in compiled.positiontup))


class HistoryStore:
    """The table `history` and its one writer, who writes what is in the `outbox` too."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.accepted: list[tuple[Accepted | Replied, asyncio.Future[None]]] = []
        self.ended: list[Ended] = []
        self.is_writing = False
        self.readers: list[asyncio.Future[None]] = []
        self.something = asyncio.Event()
        self.closing = False
        self.writer: asyncio.Task[None] | None = None
        self.insert = Prepared(INSERT, database)
        self.reply = Prepared(REPLY, database)
        self.update = Prepared(UPDATE, database)
        self.outbox = Outbox(database, self.something.set)
        self.written: Callable[[list[Ended]], None] = lambda rows: None
        """Told of the ends that are on disk."""

    async def start(self) -> None:
        """Let the writer write."""
        self.writer = asyncio.create_task(self.write(), name="history")

    async def stop(self, patience: float = 5.0) -> None:
        """Write what is waiting, for at most `patience` seconds."""
        self.closing = True
        self.something.set()
        if self.writer is None:
            return
        done, _ = await asyncio.wait([self.writer], timeout=patience)
        if not done:
            log.error("history lost", calls=[end.id for end in self.ended])
            self.writer.cancel()
            await asyncio.wait([self.writer])

    async def accept(self, row: Accepted | Replied) -> None:
        """Returns once the row, or the reply in it, is on disk; StorageError when it is not and will not be."""
        if self.closing:
            raise StorageError("closing")
        written = asyncio.get_running_loop().create_future()
        self.accepted.append((row, written))
        self.something.set()
        await written

    def end(self, row: Ended) -> None:
        """Have the end of an accepted call written; kept and tried again for as long as the disk refuses."""
        self.ended.append(row)
        self.something.set()

    async def caught_up(self) -> None:
        """Returns when the ends that are known by now are on disk, or the disk has refused them."""
        if (self.ended or self.outbox.changes or self.is_writing) and self.writer and not self.writer.done():
            caught_up = asyncio.get_running_loop().create_future()
            self.readers.append(caught_up)
            await caught_up

    async def write(self) -> None:
        """Group after group, until closed and nothing waits."""
        while not (self.closing and not self.accepted and not self.ended and not self.outbox.changes):
            await self.something.wait()
            self.something.clear()
            while self.accepted or self.ended or self.outbox.changes:
                self.is_writing = True
                is_busy = len(self.accepted) + len(self.ended) > BUSY
                is_written = await self.write_group()
                self.is_writing = False
                if not is_written or not self.ended:
                    self.release_readers()
                if not is_written and not self.accepted:
                    await self.pause()
                elif is_busy and not self.closing:
                    # A commit costs the same for one row as for a hundred: under load, let some gather.
                    await asyncio.sleep(GATHER)
        self.release_readers()

    def release_readers(self) -> None:
        """Let those go on who wait for the ends."""
        readers, self.readers = self.readers, []
        for reader in readers:
            if not reader.done():
                reader.set_result(None)

    async def pause(self) -> None:
        """Until it is time to try again, or a request wants to know now."""
        self.something.clear()
        deadline = asyncio.get_running_loop().time() + RETRY
        while not self.accepted and (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self.something.wait()
            except TimeoutError:
                return
            self.something.clear()

    async def write_group(self) -> bool:
        """One transaction with what has gathered; whether it is on disk. Refused requests are told, ends kept."""
        accepted, self.accepted = self.accepted[:GROUP], self.accepted[GROUP:]
        ended, self.ended = self.ended[:GROUP], self.ended[GROUP:]
        changes = self.outbox.take()
        try:
            await self.database.write_rows(
                [
                    (self.insert.text, [self.insert.values(row) for row, _ in accepted if type(row) is Accepted]),
                    (self.reply.text, [self.reply.values(row) for row, _ in accepted if type(row) is Replied]),
                    (self.update.text, [self.update.values(row) for row in ended]),
                    *self.outbox.batches(changes),
                ]
            )
        except StorageError as error:
            log.warning("history not written", reason=str(error), accepted=len(accepted), ended=len(ended))
            self.ended[:0] = ended
            self.outbox.give_back(changes)
            for _, written in accepted:
                if not written.done():
                    written.set_exception(StorageError(str(error)))
            return False
        for _, written in accepted:
            if not written.done():
                written.set_result(None)
        if changes.posted:
            self.outbox.told(changes.posted)
        self.written(ended)
        return True

    async def page(
        self, account_id: str, document_id: str | None, first: str, last: str, descending: bool, limit: int | None
    ) -> list[HistoryRow]:
        """Calls whose ids lie between `first` and `last`, both included, newest first when `descending`.

        Of one click-to-call, or of the whole account when `document_id` is None.
        """
        order = history.c.id.desc() if descending else history.c.id.asc()
        statement = (
            sa.select(history)
            .where(history.c.account_id == account_id, history.c.id.between(first, last))
            .order_by(order)
            .limit(limit)
        )
        return await self.rows(
            statement if document_id is None else statement.where(history.c.document_id == document_id)
        )

    async def by_id(self, history_id: str) -> HistoryRow | None:
        """The call with this history id."""
        found = await self.rows(sa.select(history).where(history.c.id == history_id))
        return found[0] if found else None

    async def call(self, call_id: str) -> HistoryRow | None:
        """The call with this id."""
        found = await self.rows(sa.select(history).where(history.c.call_id == call_id))
        return found[0] if found else None

    async def count(self, document_id: str) -> int:
        """How many calls of this click-to-call there have been."""
        statement = sa.select(sa.func.count()).select_from(history).where(history.c.document_id == document_id)
        async with self.database.reading() as connection:
            return int(await connection.scalar(statement) or 0)

    async def running(self) -> list[HistoryRow]:
        """Calls that have not ended; right after a start, those a killed process left behind."""
        return await self.rows(sa.select(history).where(history.c.ended_at.is_(None)).order_by(history.c.id))

    async def replayable(self, first: str) -> list[HistoryRow]:
        """Calls from id `first` on that came with an idempotency key."""
        statement = sa.select(history).where(history.c.idempotency_key.is_not(None), history.c.id >= first)
        return await self.rows(statement)

    async def rows(self, statement: sa.Select[Any]) -> list[HistoryRow]:
        async with self.database.reading() as connection:
            found: Sequence[sa.RowMapping] = (await connection.execute(statement)).mappings().all()
        return [HistoryRow(**row) for row in found]
