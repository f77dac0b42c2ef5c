"""One row per call: accepted into the write-ahead log, written when some have gathered, or with the call's end.

All writes go through one task that commits whatever has gathered while the disk was busy with the group before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.history_rows import Ended, HistoryRow, Statements
from c2c_b2bua.storage.schema import history
from c2c_b2bua.storage.webhooks import Changes, Outbox
from c2c_b2bua.storage.write_ahead import Accepted, File, Replied, WriteAhead

log = structlog.get_logger()

GROUP = 500
"""Rows in one transaction at most."""
GATHER = 0.05
"""Seconds until the next group under load, which is when a group had more than `BUSY` rows."""
BUSY = 2
LINGER = 2.0
"""Seconds that a call which goes on may be in the log alone."""
RETRY = 0.5
"""Seconds until what could not be written is tried again."""


class Group(msgspec.Struct):
    """What one transaction writes, and who waits for it."""

    accepted: dict[str, tuple[Accepted, File]]
    replied: list[tuple[Replied, File]]
    ended: list[Ended]
    changes: Changes
    readers: list[asyncio.Future[None]]


class HistoryStore:
    """The table `history` and its one writer, who writes what is in the `outbox` too.

    `ahead` is the path of the write-ahead log; without it there is nothing but reading.
    """

    def __init__(self, database: Database, ahead: Path | None = None) -> None:
        self.database = database
        self.ahead = WriteAhead(ahead) if ahead else None
        self.statements = Statements(database)
        self.accepted: dict[str, tuple[Accepted, File]] = {}
        """Calls that only the log has, by their id."""
        self.replied: list[tuple[Replied, File]] = []
        self.ended: list[Ended] = []
        self.failure = ""
        """Why the database did not take the last group."""
        self.is_writing = False
        self.is_time = False
        """Calls that go on are to be written too."""
        self.lingering: asyncio.TimerHandle | None = None
        self.resting: asyncio.Future[None] | None = None
        self.readers: list[asyncio.Future[None]] = []
        self.something = asyncio.Event()
        self.closing = False
        self.writer: asyncio.Task[None] | None = None
        self.outbox = Outbox(database, self.something.set)
        self.written: Callable[[list[Ended]], None] = lambda rows: None
        """Told of the ends that are on disk."""

    async def start(self) -> None:
        """Have a log, take what killed processes have left in theirs, let the writer write; StorageError."""
        await self.recover()
        assert self.ahead
        self.ahead.open()
        self.writer = asyncio.create_task(self.write(), name="history")

    async def recover(self) -> None:
        """Have what killed processes have left in their logs in the database; StorageError."""
        assert self.ahead
        to = self.statements
        for file, entries in self.ahead.leftovers():
            accepted = to.inserted((entry, None) for entry in entries if isinstance(entry, Accepted))
            replied = [to.replied(entry) for entry in entries if isinstance(entry, Replied)]
            await self.database.write_rows([*accepted, (to.reply, replied)])
            file.remove()

    async def stop(self, patience: float = 5.0) -> None:
        """Write what is waiting, for at most `patience` seconds; what is not written then, the next process writes."""
        self.closing = True
        self.hurry()
        if self.writer is not None:
            done, _ = await asyncio.wait([self.writer], timeout=patience)
            if not done:
                log.error("history lost", calls=[end.id for end in self.ended])
                self.writer.cancel()
                await asyncio.wait([self.writer])
        if self.ahead is not None:
            await self.ahead.close()

    def accept(self, row: Accepted) -> asyncio.Future[None]:
        """The call is safe from a kill, and from a power cut when what is returned is done. StorageError in both."""
        if self.closing or self.failure:
            raise StorageError(self.failure or "closing")
        assert self.ahead
        self.accepted[row.id] = row, self.ahead.append(row)
        if self.lingering is None:
            self.lingering = asyncio.get_running_loop().call_later(LINGER, self.hurry)
        return self.ahead.synced()

    async def reply(self, row: Replied) -> None:
        """Returns once the reply to an accepted call is on disk; StorageError when it is not and will not be."""
        if self.closing:
            raise StorageError("closing")
        assert self.ahead
        self.replied.append((row, self.ahead.append(row)))
        self.hurry()
        await self.ahead.synced()

    def end(self, row: Ended) -> None:
        """Have the end of an accepted call written; kept and tried again for as long as the disk refuses."""
        self.ended.append(row)
        self.something.set()

    def hurry(self) -> None:
        """Have everything written that is known."""
        if self.lingering is not None:
            self.lingering.cancel()
            self.lingering = None
        self.is_time = True
        self.something.set()

    async def caught_up(self) -> None:
        """Returns when what is known by now is in the database, or that has refused it."""
        if (self.accepted or self.is_writing or self.is_due) and self.writer and not self.writer.done():
            caught_up = asyncio.get_running_loop().create_future()
            self.readers.append(caught_up)
            self.hurry()
            self.wake()
            await caught_up

    @property
    def is_due(self) -> bool:
        """Something is to be written now."""
        gathered = self.is_time and (self.accepted or self.replied)
        return bool(gathered or self.ended or self.outbox.changes or self.readers)

    async def write(self) -> None:
        """Group after group, until closed and nothing waits."""
        while not self.closing or self.is_due:
            while self.is_due:
                group = self.take()
                self.is_writing = True
                is_written = await self.write_group(group)
                self.is_writing = False
                for reader in group.readers:
                    if not reader.done():
                        reader.set_result(None)
                if not is_written:
                    await self.rest(RETRY)
                elif len(group.accepted) + len(group.ended) > BUSY and not self.closing:
                    # A commit costs the same for one row as for a hundred: under load, let some gather.
                    await self.rest(GATHER)
            if not self.closing:
                self.something.clear()
                await self.something.wait()

    async def rest(self, seconds: float) -> None:
        """So long, unless somebody wants to know now."""
        loop = asyncio.get_running_loop()
        self.resting = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        if self.readers:
            self.wake()
        await self.resting
        timer.cancel()

    def wake(self) -> None:
        """Enough rest."""
        if self.resting and not self.resting.done():
            self.resting.set_result(None)

    def take(self) -> Group:
        """Ends with their calls, and the calls that go on when it is time."""
        ended, self.ended = self.ended[:GROUP], self.ended[GROUP:]
        accepted = {end.id: self.accepted.pop(end.id) for end in ended if end.id in self.accepted}
        if self.is_time and not self.ended:
            accepted |= self.accepted
            self.accepted.clear()
            self.is_time = False
        replied = [reply for reply in self.replied if reply[0].id not in self.accepted]
        self.replied = [reply for reply in self.replied if reply[0].id in self.accepted]
        readers: list[asyncio.Future[None]] = []
        if not self.is_time:
            readers, self.readers = self.readers, readers
        return Group(accepted, replied, ended, self.outbox.take(), readers)

    def give_back(self, group: Group) -> None:
        """What the database refused comes before what has gathered since."""
        self.accepted = group.accepted | self.accepted
        self.replied[:0] = group.replied
        self.ended[:0] = group.ended
        self.outbox.give_back(group.changes)
        self.is_time = True

    async def write_group(self, group: Group) -> bool:
        """One transaction; whether it is on disk."""
        to, ends = self.statements, {end.id: end for end in group.ended}
        try:
            await self.database.write_rows(
                [
                    *to.inserted([(row, ends.pop(row.id, None)) for row, _ in group.accepted.values()]),
                    (to.reply, [to.replied(row) for row, _ in group.replied]),
                    (to.update, [to.ended(row) for row in ends.values()]),
                    *self.outbox.batches(group.changes),
                ]
            )
        except StorageError as error:
            if not self.failure:
                log.error(
                    "history not written", reason=str(error), accepted=len(group.accepted), ended=len(group.ended)
                )
            self.failure = str(error)
            self.give_back(group)
            return False
        if self.failure:
            log.info("history is written again")
        self.failure = ""
        for _, file in (*group.accepted.values(), *group.replied):
            file.settle()
        if group.changes.posted:
            self.outbox.told(group.changes.posted)
        self.written(group.ended)
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
