"""What is kept of a call in the database, and the statements that write it."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from c2c_b2bua.storage.database import Database
from c2c_b2bua.storage.schema import history
from c2c_b2bua.storage.sqlite_writer import Batch
from c2c_b2bua.storage.write_ahead import Accepted


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


OF_ACCEPTED = Accepted.__struct_fields__
OF_ENDED = tuple(name for name in Ended.__struct_fields__ if name != "id")
RARE = ("idempotency_key", "request_hash", "reply", "details")
"""What most calls have none of."""


class Insert:
    """A new row with these columns, the others being NULL."""

    def __init__(self, database: Database, of_accepted: tuple[str, ...], of_ended: tuple[str, ...]) -> None:
        given = of_accepted + of_ended
        self.statement, names = compiled(inserting(database, given), database)
        self.of_accepted = attrgetter(*of_accepted)
        self.of_ended = attrgetter(*of_ended) if of_ended else nothing
        self.in_order = itemgetter(*(given.index(name) for name in names))

    def values(self, row: Accepted, end: Ended | None) -> tuple[Any, ...]:
        """Of the placeholders."""
        values: tuple[Any, ...] = self.in_order(self.of_accepted(row) + self.of_ended(end))
        return values


class Statements:
    """Each compiled once for this database, with a function from what it writes to the values of its placeholders.

    The general way costs more per row than the database does.
    """

    def __init__(self, database: Database) -> None:
        usual = tuple(name for name in OF_ACCEPTED if name not in RARE)
        self.inserts = {
            (is_usual, goes_on): Insert(database, usual if is_usual else OF_ACCEPTED, () if goes_on else OF_ENDED)
            for is_usual in (True, False)
            for goes_on in (True, False)
        }
        row = history.c.id == sa.bindparam("row")
        reply = history.update().where(row).values(reply=sa.bindparam("reply"))
        self.reply, names = compiled(reply, database)
        self.replied = attrgetter(*("id" if name == "row" else name for name in names))
        update = history.update().where(row).values({name: sa.bindparam(name) for name in OF_ENDED})
        self.update, names = compiled(update, database)
        self.ended = attrgetter(*("id" if name == "row" else name for name in names))

    def inserted(self, rows: Iterable[tuple[Accepted, Ended | None]]) -> list[Batch]:
        """New rows, with what is known of their ends.

        SQLite's driver takes longer over a NULL than over any value: columns that a row has nothing for are left out.
        """
        batches: dict[tuple[bool, bool], list[tuple[Any, ...]]] = {}
        for row, end in rows:
            kind = row.idempotency_key is None and row.details is None, end is None
            batches.setdefault(kind, []).append(self.inserts[kind].values(row, end))
        return [(self.inserts[kind].statement, values) for kind, values in batches.items()]


def compiled(statement: sa.Insert | sa.Update, database: Database) -> tuple[str, list[str]]:
    """In the database's own words, with the names of its placeholders."""
    found = statement.compile(dialect=database.engine.dialect)
    assert isinstance(found, SQLCompiler) and found.positiontup
    return str(found), found.positiontup


def nothing(_end: Ended | None) -> tuple[Any, ...]:
    return ()


def inserting(database: Database, names: tuple[str, ...]) -> sa.Insert:
    """A call that is there already, because a log was read twice, stays as it is."""
    dialect = sqlite if database.is_sqlite else postgresql
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    statement: sa.Insert = dialect.insert(history).values(values).on_conflict_do_nothing()
    return statement
