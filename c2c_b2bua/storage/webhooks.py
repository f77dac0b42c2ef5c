"""Webhooks as rows, and the outbox of events for them, which is written together with the history of calls.

An event is on disk in the same transaction as the end of the call it tells of: a killed process has both or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from c2c_b2bua.storage.database import Database
from c2c_b2bua.storage.schema import deliveries, webhooks
from c2c_b2bua.storage.sqlite_writer import Batch


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook; `kinds` is a JSON list, None: all."""

    id: str
    account_id: str
    type: str
    url: str
    kinds: str | None
    secret: str
    created_at: float


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook; `due_at` is when it is tried next, in seconds since 1970."""

    webhook_id: str
    event_id: str
    history_id: str
    """The call it belongs to."""
    event: str
    """JSON; empty where it was not asked for."""
    attempts: int = 0
    due_at: float = 0.0


class WebhookStore:
    """The table `webhooks`, and what is read of `deliveries`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load(self) -> list[WebhookRow]:
        """Every webhook."""
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(webhooks).order_by(webhooks.c.created_at))
            return [WebhookRow(**row) for row in rows.mappings()]

    async def save(self, row: WebhookRow) -> None:
        """Write a new webhook, or over the one of the same id."""
        values = msgspec.structs.asdict(row)
        async with self.database.writing() as connection:
            updated = await connection.execute(webhooks.update().where(webhooks.c.id == row.id).values(**values))
            if not updated.rowcount:
                await connection.execute(webhooks.insert().values(**values))

    async def remove(self, webhook_id: str) -> None:
        """Drop a webhook and what waits for it."""
        async with self.database.writing() as connection:
            await connection.execute(webhooks.delete().where(webhooks.c.id == webhook_id))
            await connection.execute(deliveries.delete().where(deliveries.c.webhook_id == webhook_id))

    async def waiting(self) -> list[DeliveryRow]:
        """What has not arrived yet, call after call, each in its order; without the events themselves."""
        columns = [column for column in deliveries.c if column is not deliveries.c.event]
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(*columns).order_by(deliveries.c.event_id))
            return [DeliveryRow(event="", **row) for row in rows.mappings()]

    async def event(self, webhook_id: str, event_id: str) -> str | None:
        """The event of a delivery; None: there is none any more."""
        where = (deliveries.c.webhook_id == webhook_id, deliveries.c.event_id == event_id)
        async with self.database.reading() as connection:
            found = await connection.scalar(sa.select(deliveries.c.event).where(*where))
            return None if found is None else str(found)


class Changes(msgspec.Struct):
    """What is to be written of deliveries: new ones, ends (webhook id, event id), and further tries."""

    posted: list[DeliveryRow] = []
    settled: list[tuple[str, str]] = []
    postponed: list[DeliveryRow] = []

    def __bool__(self) -> bool:
        return bool(self.posted or self.settled or self.postponed)


class Outbox:
    """Gathers changes for the writer of history, whom `wake` tells that there are some.

    `told` gets the new deliveries once they are on disk.
    """

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.changes = Changes()
        self.told: Callable[[list[DeliveryRow]], None] = lambda rows: None
        insert = (sqlite if database.is_sqlite else postgresql).insert(deliveries)
        names = DeliveryRow.__struct_fields__
        where = (
            deliveries.c.webhook_id == sa.bindparam("of_webhook"),
            deliveries.c.event_id == sa.bindparam("of_event"),
        )
        again = deliveries.update().values(attempts=sa.bindparam("attempts"), due_at=sa.bindparam("due_at"))
        self.insert = Ordered(
            insert.values({name: sa.bindparam(name) for name in names}).on_conflict_do_nothing(), database
        )
        self.delete = Ordered(deliveries.delete().where(*where), database)
        self.update = Ordered(again.where(*where), database)

    def post(self, row: DeliveryRow) -> None:
        """Have a new delivery written, with the next group."""
        self.changes.posted.append(row)
        self.wake()

    def settle(self, webhook_id: str, event_id: str) -> None:
        """Have it written that this delivery is over."""
        self.changes.settled.append((webhook_id, event_id))
        self.wake()

    def postpone(self, row: DeliveryRow) -> None:
        """Have it written when this delivery is tried next."""
        self.changes.postponed.append(row)
        self.wake()

    def take(self) -> Changes:
        """What has gathered; it is given back, or it is written."""
        taken, self.changes = self.changes, Changes()
        return taken

    def give_back(self, changes: Changes) -> None:
        """What the disk refused comes before what has gathered since."""
        self.changes.posted[:0] = changes.posted
        self.changes.settled[:0] = changes.settled
        self.changes.postponed[:0] = changes.postponed

    def batches(self, changes: Changes) -> list[Batch]:
        """The changes as statements; what is settled and posted at once is settled in the end."""
        batches: list[Batch] = []
        if changes.posted:
            batches.append(self.insert.batch([msgspec.structs.asdict(row) for row in changes.posted]))
        if changes.postponed:
            batches.append(self.update.batch([as_update(row) for row in changes.postponed]))
        if changes.settled:
            batches.append(self.delete.batch([{"of_webhook": w, "of_event": e} for w, e in changes.settled]))
        return batches


class Ordered:
    """A statement compiled once for this database, whose rows are given by name."""

    def __init__(self, statement: sa.Insert | sa.Update | sa.Delete, database: Database) -> None:
        compiled = statement.compile(dialect=database.engine.dialect)
        assert isinstance(compiled, SQLCompiler) and compiled.positiontup
        self.text = str(compiled)
        self.names = compiled.positiontup

    def batch(self, rows: Sequence[dict[str, object]]) -> Batch:
        """The statement with the values of each row in the order of its placeholders."""
        return self.text, [tuple(row[name] for name in self.names) for row in rows]


def as_update(row: DeliveryRow) -> dict[str, object]:
    return {
        "of_webhook": row.webhook_id,
        "of_event": row.event_id,
        "attempts": row.attempts,
        "due_at": row.due_at,
    }
