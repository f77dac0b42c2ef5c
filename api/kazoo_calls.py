"""Kazoo's Crossbar API: connect, the calls that go on, and history."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import msgspec

from api import kazoo_v1
from api.envelope import Reply
from api.json_body import BadJsonError, decoded
from api.kazoo import listed, listing_of
from api.kazoo_originate import WORDING, variables
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.errors import InvalidError, UnknownError
from c2c_b2bua.service.originate import Connect, checked_metadata
from c2c_b2bua.service.rehearsal import rehearse
from c2c_b2bua.service.validation import BOOLEANS

LONGEST_KEY = 255
SPACE_FOR_PLUS = re.compile(r" \d")
COLUMNS = (
    *("id", "timestamp", "contact", "call_id", "result", "cause", "sip_code", "reason"),
    *("ended_by", "bridged_at", "ended_at"),
)


async def connect(request: KazooRequest) -> Reply:
    """GET, POST …/clicktocall/C/connect"""
    exchange = request.exchange
    document = exchange.documents.get(request.account.id, request.names[1])
    blocking = is_true(request, "blocking")
    order = Connect(
        account=request.account,
        document=document,
        contact=contact_of(request),
        until="answered" if blocking else "accepted",
        auto_answer=request.query.get("auto_answer", "").lower() in ("", "true"),
        variables=variables(request.data, request.query),
        trusted=request.grant is not None,
        idempotency_key=idempotency_key(request),
        details=details(request),
        wording=WORDING,
    )
    if is_true(request, "dry_run"):
        return Reply(data=await rehearse(exchange.calls, order))
    data = await exchange.calls.connect(order)
    status = 200 if blocking else exchange.settings.api.connect_status
    return Reply(status=status, data=msgspec.Raw(data), revision=document.row.revision, etag=False)


async def history(request: KazooRequest) -> Reply:
    """GET …/clicktocall/C/history"""
    page = await request.exchange.history.page(request.account.id, request.names[1], listing_of(request))
    if request.is_v1:
        page.items[:] = [kazoo_v1.item(item) for item in page.items]
    return listed(request, page, COLUMNS)


async def list_calls(request: KazooRequest) -> Reply:
    """GET …/clicktocall/C/calls: those that go on"""
    request.exchange.documents.get(request.account.id, request.names[1])
    return Reply(data=[call.shown() for call in request.exchange.calls.of(request.account.id, request.names[1])])


async def read_call(request: KazooRequest) -> Reply:
    """GET …/clicktocall/C/calls/ID: one that goes on, or what became of it"""
    _, document_id, call_id = request.names
    call = request.exchange.calls.find(request.account.id, call_id, document_id)
    if call is not None:
        return Reply(data=call.shown())
    found = await request.exchange.history.call(request.account.id, document_id, call_id)
    if found is None:
        raise UnknownError(call_id)
    return Reply(data=kazoo_v1.item(found) if request.is_v1 else found)


async def hang_up(request: KazooRequest) -> Reply:
    """DELETE …/clicktocall/C/calls/ID"""
    _, document_id, call_id = request.names
    call = request.exchange.calls.find(request.account.id, call_id, document_id)
    item = call.shown() if call else None
    if call is None or not request.exchange.calls.hang_up(call):
        raise UnknownError(call_id)
    return Reply(data=item)


def contact_of(request: KazooRequest) -> Any:
    """The contact as it came; the plus that a query turned into a space is one again."""
    contact = request.value("contact")
    if isinstance(contact, str) and contact == request.query.get("contact") and SPACE_FOR_PLUS.match(contact):
        return f"+{contact[1:]}"
    return contact


def details(request: KazooRequest) -> dict[str, Any]:
    """What is kept with the call; where only text can stand, metadata is JSON. InvalidError."""
    given = request.value("metadata")
    if given is None:
        return {}
    if isinstance(given, str):
        with contextlib.suppress(BadJsonError):
            given = decoded(given.encode())
    return {"metadata": checked_metadata(given)}


def is_true(request: KazooRequest, name: str) -> bool:
    """`true` anywhere, or a bare `?name`; InvalidError for what is neither true nor false."""
    value = request.value(name)
    if value is None or value is True or value is False:
        return bool(value)
    if value == "" and name in request.query:
        return True
    found = BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise InvalidError.of(name, "type", "Value did not match type(s): boolean", target="boolean", value=value)
    return found


def idempotency_key(request: KazooRequest) -> str | None:
    """The client's, or None; InvalidError when it is beyond reason."""
    key = request.http.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        message = f"An idempotency key has 1 to {LONGEST_KEY} printable characters"
        shown = key[:LONGEST_KEY].encode(errors="replace").decode()
        raise InvalidError.of("Idempotency-Key", "pattern", message, value=shown)
    return key
