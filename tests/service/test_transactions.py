"""Whose call it was, as far as anybody can know."""

from __future__ import annotations

from typing import Any

import pytest

from c2c_b2bua.call.record import CallRecord, LegName, LegRecord
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.transactions import Extensions
from c2c_b2bua.storage.history_rows import HistoryRow
from tests.api.conftest import A


def row(**fields: Any) -> HistoryRow:
    values = {"id": "0" * 32, "account_id": A, "document_id": "d" * 32, "call_id": "c2c-1", "contact": "2600"}
    return HistoryRow(**{**values, "accepted_at": 1.0, **fields})


def record(*targets: str) -> CallRecord:
    names: tuple[LegName, LegName] = ("a", "b")
    legs = [LegRecord(leg=name, call_id=name, target=target) for name, target in zip(names, targets, strict=False)]
    return CallRecord(call_id="c2c-1", accepted_at=1.0, legs=legs)


@pytest.fixture
def extensions(exchange: Exchange) -> Extensions:
    return Extensions(exchange.accounts, exchange.documents)


def test_by_what_the_request_said(extensions: Extensions) -> None:
    assert extensions.of(row(), record("1001", "2600"), {"extension": "7"}) == "7"


@pytest.mark.parametrize("targets", [("1001", "2600"), ("2600", "1001"), ("1001",)])
def test_by_the_leg_that_is_not_the_contacts(extensions: Extensions, targets: tuple[str, ...]) -> None:
    assert extensions.of(row(), record(*targets), {}) == "1001"


def test_as_the_account_writes_it(extensions: Extensions) -> None:
    phones = extensions.accounts.by_id[A].phones
    phones["+14155550123"] = phones["1001"]
    assert extensions.of(row(), record("+14155550123", "2600"), {}) == "1001"
    assert extensions.of(row(), record("sip:bob@example.com", "2600"), {}) == "sip:bob@example.com"


async def test_by_the_document(exchange: Exchange, extensions: Extensions) -> None:
    made = exchange.documents.created(A, {"name": "x", "extension": "1001"})
    document = await exchange.documents.save(made)
    assert extensions.of(row(document_id=document.id), None, {}) == "1001"


def test_by_the_phone_that_was_asked_for_without_a_document(extensions: Extensions) -> None:
    phone = extensions.accounts.by_id[A].phones["2600"]
    assert extensions.of(row(document_id=phone.id, contact="1001"), None, {}) == "2600"


def test_nobody_knows(extensions: Extensions) -> None:
    assert extensions.of(row(), None, {}) == ""
    assert extensions.of(row(account_id="e" * 32), record("2600", "2600"), {}) == ""
