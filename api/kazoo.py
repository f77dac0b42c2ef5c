"""Kazoo's Crossbar API, version 2: click-to-call documents, connect, history."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from api import auth
from api.envelope import Reply, encoder, error
from api.kazoo_originate import WORDING, variables
from api.kazoo_request import KazooRequest, RefusedError
from c2c_b2bua.config import HOST_PORT
from c2c_b2bua.service.documents import Change, ClickToCall
from c2c_b2bua.service.errors import InvalidError, UnauthenticatedError, UnknownError
from c2c_b2bua.service.listing import Listing, Page, page_of
from c2c_b2bua.service.originate import Connect, checked_metadata
from c2c_b2bua.service.rehearsal import rehearse
from c2c_b2bua.service.schema import CLICK_TO_CALL

LONGEST_KEY = 255
SPACE_FOR_PLUS = re.compile(r" \d")


async def list_documents(request: KazooRequest) -> Reply:
    """GET …/clicktocall"""
    listing = Listing.parse(request.query)
    found = sorted(request.exchange.documents.of(request.account.id), key=by_id, reverse=listing.descending)
    start = listing.start_key
    pairs = (
        (document.id, summary(document))
        for document in found
        if (not start or (document.id <= start if listing.descending else document.id >= start))
        and listing.is_within(document.row.created_at, document.row.modified_at)
        and (not listing.conditions or listing.admits(document.shown()))
    )
    return listed(page_of(pairs, listing), listing)


async def create(request: KazooRequest) -> Reply:
    """PUT …/clicktocall"""
    document = await request.exchange.documents.save(
        request.exchange.documents.created(request.account.id, request.data)
    )
    reply = shown(document, 201)
    reply.location = f"{origin(request)}/v2/accounts/{document.account_id}/clicktocall/{document.id}"
    return reply


async def read(request: KazooRequest) -> Reply:
    """GET …/clicktocall/C"""
    return shown(request.exchange.documents.get(request.account.id, request.names[1]))


async def replace(request: KazooRequest) -> Reply:
    """POST …/clicktocall/C"""
    documents = request.exchange.documents
    return await saved(request, documents.replaced(request.account.id, request.names[1], request.data))


async def patch(request: KazooRequest) -> Reply:
    """PATCH …/clicktocall/C"""
    documents = request.exchange.documents
    return await saved(request, documents.patched(request.account.id, request.names[1], request.data))


async def delete(request: KazooRequest) -> Reply:
    """DELETE …/clicktocall/C"""
    documents = request.exchange.documents
    reply = await saved(request, documents.deleted(request.account.id, request.names[1]))
    reply.data["_read_only"] = {"deleted": True}
    return reply


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
        auto_answer=request.query.get("auto_answer") != "false",
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
    listing = Listing.parse(request.query)
    return listed(await request.exchange.history.page(request.account.id, request.names[1], listing), listing)


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
    return Reply(data=found)


async def hang_up(request: KazooRequest) -> Reply:
    """DELETE …/clicktocall/C/calls/ID"""
    _, document_id, call_id = request.names
    call = request.exchange.calls.find(request.account.id, call_id, document_id)
    item = call.shown() if call else None
    if call is None or not request.exchange.calls.hang_up(call):
        raise UnknownError(call_id)
    return Reply(data=item)


async def list_schemas(request: KazooRequest) -> Reply:
    """GET /v2/schemas"""
    return Reply(data=["clicktocall"])


async def read_schema(request: KazooRequest) -> Reply:
    """GET /v2/schemas/clicktocall"""
    if request.names[0] != "clicktocall":
        raise UnknownError(request.names[0])
    return Reply(data=CLICK_TO_CALL)


def is_open(request: KazooRequest) -> bool:
    """Whether this connect is for anyone."""
    if request.segments[-1] != "connect":
        return False
    document = request.exchange.documents.by_account.get(request.account.id, {}).get(request.names[1])
    return document is not None and not document.auth_required


def authenticate(request: KazooRequest) -> None:
    """Note who asks; UnauthenticatedError, RefusedError for somebody else's account. Anyone may do an open connect."""
    try:
        grant = auth.grant_of(request)
    except UnauthenticatedError:
        if is_open(request):
            return
        raise
    if request.exchange.accounts.may_act_on(grant.account_id, request.account.id):
        request.grant = grant
    elif not is_open(request):
        raise RefusedError(error(403, "forbidden", {"message": "forbidden"}))


def contact_of(request: KazooRequest) -> Any:
    """The contact as it came; the plus that a query turned into a space is one again."""
    contact = request.value("contact")
    if isinstance(contact, str) and contact == request.query.get("contact") and SPACE_FOR_PLUS.match(contact):
        return f"+{contact[1:]}"
    return contact


def details(request: KazooRequest) -> dict[str, Any]:
    """What is kept with the call; InvalidError."""
    given = request.value("metadata")
    return {} if given is None else {"metadata": checked_metadata(given)}


def is_true(request: KazooRequest, name: str) -> bool:
    """`true` anywhere, or a bare `?name`."""
    value = request.value(name)
    if isinstance(value, str):
        return value.lower() == "true" or (value == "" and name in request.query)
    return value is True


def idempotency_key(request: KazooRequest) -> str | None:
    """The client's, or None; InvalidError when it is beyond reason."""
    key = request.http.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        message = f"An idempotency key has 1 to {LONGEST_KEY} printable characters"
        raise InvalidError.of("Idempotency-Key", "pattern", message, value=key[:LONGEST_KEY])
    return key


async def saved(request: KazooRequest, change: Change) -> Reply:
    """Save it, if the client means the revision that is there."""
    assert change.before
    request.require_match(change.before.row.revision)
    return shown(await request.exchange.documents.save(change))


def origin(request: KazooRequest) -> str:
    """Where the client says it found us; empty when that makes no sense."""
    host = request.http.headers.get("Host", "")
    return f"{request.http.scheme}://{host}" if HOST_PORT.fullmatch(host) else ""


def shown(document: ClickToCall, status: int = 200) -> Reply:
    return Reply(status=status, data=document.shown(), revision=document.row.revision)


def by_id(document: ClickToCall) -> str:
    return document.id


def summary(document: ClickToCall) -> dict[str, Any]:
    """What a list shows."""
    body = document.body
    return {"id": document.id, "name": body["name"], "extension": body["extension"]}


def listed(page: Page, listing: Listing) -> Reply:
    """A page; its revision is a digest of what it shows."""
    reply = Reply(data=page.items)
    if page.items:
        reply.revision = hashlib.md5(encoder.encode(page.items), usedforsecurity=False).hexdigest()
    if listing.page_size is not None:
        reply.page_size = len(page.items)
        reply.start_key = page.start_key
        reply.next_start_key = page.next_start_key
    return reply
