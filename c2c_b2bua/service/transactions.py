"""Calls as an account sees them, whoever asked for them: one line each, in pages that have numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.service.accounts import Accounts
from c2c_b2bua.service.calls import Calls
from c2c_b2bua.service.documents import Documents
from c2c_b2bua.service.history import details_decoder, history_id_at, just_before, record_decoder
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.phones import Phone
from c2c_b2bua.storage.history import HistoryStore
from c2c_b2bua.storage.history_rows import HistoryRow
from c2c_b2bua.storage.transactions import TransactionStore

CHUNK = 500


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One call; times in seconds since 1970."""

    history_id: str
    call_id: str
    contact: str
    extension: str
    details: dict[str, Any]
    accepted_at: float
    record: CallRecord | None = None
    """Once it has ended."""


class Extensions:
    """Knows which extension of its account a call of the past was for."""

    def __init__(self, accounts: Accounts, documents: Documents) -> None:
        self.accounts = accounts
        self.documents = documents

    def of(self, row: HistoryRow, record: CallRecord | None, details: dict[str, Any]) -> str:
        """By what the request said, else by the leg that is not the contact's, else by the document; "" if unknown."""
        if isinstance(said := details.get("extension"), str):
            return said
        account = self.accounts.by_id.get(row.account_id)
        for leg in record.legs if record else ():
            if leg.target != row.contact:
                return self.number(row.account_id, leg.target)
        document = self.documents.by_account.get(row.account_id, {}).get(row.document_id)
        if document:
            return self.number(row.account_id, document.extension)
        phones = account.each_phone() if account else []
        return next((phone.number for phone in phones if phone.id == row.document_id), "")

    def number(self, account_id: str, dialled: str) -> str:
        """An extension's number as its account writes it."""
        phone = self.phone(account_id, dialled)
        return phone.number if phone else dialled

    def phone(self, account_id: str, number: str) -> Phone | None:
        """The phone of this number."""
        account = self.accounts.by_id.get(account_id)
        return account.phones.get(number) if account else None


class Transactions:
    """The calls of accounts, those that go on and those that have ended."""

    def __init__(self, calls: Calls, store: HistoryStore, extensions: Extensions) -> None:
        self.calls = calls
        self.history = store
        self.store = TransactionStore(store)
        self.extensions = extensions

    def live(self, account_id: str, name: str) -> LiveCall | None:
        """The call of an account that goes on and has this history id or call id."""
        if found := self.calls.find(account_id, name):
            return found
        return next((call for call in self.calls.of(account_id) if call.history_id == name), None)

    async def one(self, account_id: str, history_id: str) -> Transaction | None:
        """A call of an account by its history id, None when it has no such; StorageError."""
        await self.history.caught_up()
        row = await self.history.by_id(history_id)
        return self.transaction(row) if row and row.account_id == account_id else None

    async def page(
        self,
        account_id: str,
        start: float,
        end: float,
        offset: int,
        size: int,
        result: str | None = None,
        admits: Callable[[Transaction], bool] | None = None,
    ) -> tuple[list[Transaction], int]:
        """Those that ended, newest first: the ones from `offset` on, and how many there are; StorageError.

        `start` and `end` are when they were accepted; `result` is `success` or `error`.
        """
        first, last = history_id_at(start), history_id_at(end) + "g"
        await self.history.caught_up()
        if admits is None:
            total = await self.store.count(account_id, first, last, result)
            rows = await self.store.page(account_id, first, last, result, offset, size) if offset < total else []
            return [self.transaction(row) for row in rows], total
        found: list[Transaction] = []
        total = 0
        while rows := await self.store.page(account_id, first, last, result, 0, CHUNK):
            for transaction in map(self.transaction, rows):
                if admits(transaction):
                    if offset <= total < offset + size:
                        found.append(transaction)
                    total += 1
            last = just_before(rows[-1].id)
        return found, total

    def transaction(self, row: HistoryRow) -> Transaction:
        record = record_decoder.decode(row.record) if row.record else None
        details = details_of(row)
        return Transaction(
            history_id=row.id,
            call_id=row.call_id,
            contact=row.contact,
            extension=self.extensions.of(row, record, details),
            details=details,
            accepted_at=row.accepted_at,
            record=record,
        )


def details_of(row: HistoryRow) -> dict[str, Any]:
    """What the request said about this call."""
    return details_decoder.decode(row.details) if row.details else {}
