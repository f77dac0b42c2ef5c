"""What is kept of a call in the database, and the statements that write it."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from c2c_b2bua.storage.database import Database
from c2c_b2bua.storage.schema import history
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
GOES_ON = (None,) * len(OF_ENDED)

of_accepted = attrgetter(*OF_ACCEPTED)
of_ended = attrgetter(*OF_ENDED)


class Statements:
    """Each compiled once for this database, with a function from what it writes to the values of its placeholders.

    The general way costs more per row than the database does.
    """

    def __init__(self, database: Database) -> None:
        self.insert, names = self.compiled(inserting(database), database)
        given = OF_ACCEPTED + OF_ENDED
        self.in_order = itemgetter(*(given.index(name) for name in names))
        row = history.c.id == sa.bindparam("row")
        reply = history.update().where(row).values(reply=sa.bindparam("reply"))
        self.reply, names = self.compiled(reply, database)
        self.replied = attrgetter(*("id" if name == "row" else name for name in names))
        update = history.update().where(row).values({name: sa.bindparam(name) for name in OF_ENDED})
        self.update, names = self.compiled(update, database)
        self.ended = attrgetter(*("id" if name == "row" else name for name in names))

    @staticmethod
    def compiled(statement: sa.Insert | sa.Update, database: Database) -> tuple[str, list[str]]:
        """In the database's own words, with the names of its placeholders."""
        compiled = statement.compile(dialect=database.engine.dialect)
        assert isinstance(compiled, SQLCompiler) and compiled.positiontup
        return str(compiled), compiled.positiontup

    def inserted(self, row: Accepted, end: Ended | None = None) -> tuple[Any, ...]:
        """The values of `insert`."""
        values: tuple[Any, ...] = self.in_order(of_accepted(row) + (of_ended(end) if end else GOES_ON))
        return values


def inserting(database: Database) -> sa.Insert:
    """A call that is there already, because a log was read twice, stays as it is."""
    dialect = sqlite if database.is_sqlite else postgresql
    values: dict[str, Any] = {name: sa.bindparam(name) for name in OF_ACCEPTED + OF_ENDED}
    statement: sa.Insert = dialect.insert(history).values(values).on_conflict_do_nothing()
    return statement
