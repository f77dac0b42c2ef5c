"""Calls that have ended, counted and numbered, for lists whose pages have numbers."""

from __future__ import annotations

import sqlalchemy as sa

from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.history_rows import HistoryRow
from c2c_b2bua.storage.schema import history


class TransactionStore:
    """The table `history`, as an account's calls of a time."""

    def __init__(self, store: HistoryStore) -> None:
        self.store = store

    async def count(self, account_id: str, first: str, last: str, result: str | None) -> int:
        """How many ended with `result`, None: with any; their ids lie between `first` and `last`."""
        statement = sa.select(sa.func.count()).select_from(history).where(*ended(account_id, first, last, result))
        async with self.store.database.reading() as connection:
            return int(await connection.scalar(statement) or 0)

    async def page(
        self, account_id: str, first: str, last: str, result: str | None, offset: int, limit: int
    ) -> list[HistoryRow]:
        """The same, newest first, without the first `offset`."""
        statement = sa.select(history).where(*ended(account_id, first, last, result))
        return await self.store.rows(statement.order_by(history.c.id.desc()).offset(offset).limit(limit))


def ended(account_id: str, first: str, last: str, result: str | None) -> list[sa.ColumnElement[bool]]:
    conditions = [history.c.account_id == account_id, history.c.id.between(first, last)]
    return [*conditions, history.c.result.is_not(None) if result is None else history.c.result == result]
