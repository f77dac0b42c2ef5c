"""Kazoo's Crossbar API: click-to-call documents, and how any list is shown."""

from __future__ import annotations

import hashlib
from copy import copy
from typing import Any

import msgspec

from api import csv_lists, kazoo_v1
from api.envelope import Reply, encoder
from api.kazoo_request import KazooRequest
from c2c_b2bua.config import HOST_PORT
from c2c_b2bua.service.documents import Change, ClickToCall
from c2c_b2bua.service.errors import UnknownError
from c2c_b2bua.service.listing import Listing, Page, cut
from c2c_b2bua.service.schema import CLICK_TO_CALL

COLUMNS = ("id", "name", "extension")
MOST_MADE = 16
"""Lists of one account that are kept ready."""
LARGEST_MADE = 65536
"""Bytes of one."""


async def list_documents(request: KazooRequest) -> Reply:
    """GET …/clicktocall; what was asked before is answered again until a document changes"""
    made = request.exchange.documents.made.setdefault(request.account.id, {})
    key = (request.is_v1, request.format, request.http.raw_path.partition("?")[2])
    known = made.get(key)
    if known is None:
        known = list_of(request)
        if len(made) == MOST_MADE:
            made.clear()
        if (len(known.csv) or memoryview(known.data).nbytes) <= LARGEST_MADE:
            made[key] = known
    return copy(known)


def list_of(request: KazooRequest) -> Reply:
    """Those that are asked for."""
    listing = listing_of(request)
    documents, account = request.exchange.documents, request.account
    if listing.is_choosy:
        found = [
            document
            for document in documents.of(account.id, listing.start_key, listing.descending)
            if listing.is_within(document.row.created_at, document.row.modified_at)
            and listing.admits(kazoo_v1.shown(document, account) if request.is_v1 else document.shown())
        ]
    else:
        found = documents.of(account.id, listing.start_key, listing.descending, listing.most + 1)
    items: list[Any]
    if request.is_v1 or request.format == "csv":
        items = [summary(request, document) for document in found]
    else:
        items = [document.summary for document in found]
    return listed(request, cut([document.id for document in found], items, listing), COLUMNS)


async def create(request: KazooRequest) -> Reply:
    """PUT …/clicktocall"""
    data = kazoo_v1.given(request.data) if request.is_v1 else request.data
    documents = request.exchange.documents
    document = await documents.save(documents.created(request.account.id, data))
    reply = await shown(request, document)
    reply.status = 201
    version = "v1" if request.is_v1 else "v2"
    reply.location = f"{origin(request)}/{version}/accounts/{document.account_id}/clicktocall/{document.id}"
    return reply


async def read(request: KazooRequest) -> Reply:
    """GET …/clicktocall/C"""
    return await shown(request, request.exchange.documents.get(request.account.id, request.names[1]))


async def replace(request: KazooRequest) -> Reply:
    """POST …/clicktocall/C"""
    account_id, document_id = request.account.id, request.names[1]
    documents, data = request.exchange.documents, request.data
    if request.is_v1:
        data = kazoo_v1.given(data, documents.find(account_id, document_id))
    return await saved(request, documents.replaced(account_id, document_id, data))


async def patch(request: KazooRequest) -> Reply:
    """PATCH …/clicktocall/C"""
    data = kazoo_v1.given(request.data) if request.is_v1 else request.data
    return await saved(request, request.exchange.documents.patched(request.account.id, request.names[1], data))


async def delete(request: KazooRequest) -> Reply:
    """DELETE …/clicktocall/C"""
    change = request.exchange.documents.deleted(request.account.id, request.names[1])
    reply = await saved(request, change)
    data = reply.data if request.is_v1 else change.after.shown()
    reply.data = {**data, "_read_only": {"deleted": True}}
    return reply


async def list_schemas(request: KazooRequest) -> Reply:
    """GET /v2/schemas"""
    return Reply(data=["clicktocall"])


async def read_schema(request: KazooRequest) -> Reply:
    """GET /v2/schemas/clicktocall"""
    if request.names[0] != "clicktocall":
        raise UnknownError(request.names[0])
    return Reply(data=kazoo_v1.SCHEMA if request.is_v1 else CLICK_TO_CALL)


async def saved(request: KazooRequest, change: Change) -> Reply:
    """Save it, if the client means the revision that is there."""
    assert change.before
    request.require_match(change.before.row.revision)
    return await shown(request, await request.exchange.documents.save(change))


async def shown(request: KazooRequest, document: ClickToCall) -> Reply:
    """The whole document; on version 1 with the number of its calls."""
    if not request.is_v1:
        return Reply(data=document.whole, revision=document.row.revision)
    data = kazoo_v1.shown(document, request.account)
    data["history_items"] = await request.exchange.history.count(document.id)
    return Reply(data=data, revision=document.row.revision)


def origin(request: KazooRequest) -> str:
    """Where the client says it found us; empty when that makes no sense."""
    host = request.http.headers.get("Host", "")
    return f"{request.http.scheme}://{host}" if HOST_PORT.fullmatch(host) else ""


def summary(request: KazooRequest, document: ClickToCall) -> dict[str, Any]:
    """What a list shows."""
    body = document.body
    fields = {"id": document.id, "name": body["name"], "extension": body["extension"]}
    if request.is_v1:
        fields["realm"] = body.get("realm") or request.account.realm
    return fields


def listing_of(request: KazooRequest) -> Listing:
    """What of a list is asked for: version 1 has no pages."""
    if not request.is_v1:
        return Listing.parse(request.query)
    query = {name: value for name, value in request.query.items() if name not in ("page_size", "start_key")}
    return Listing.parse({**query, "paginate": "false"})


def listed(request: KazooRequest, page: Page, columns: tuple[str, ...]) -> Reply:
    """A page; its revision is a digest of what it shows."""
    if request.format == "csv":
        reply = Reply(csv=csv_lists.written(page.items, columns))
        body = reply.csv
    else:
        body = encoder.encode(page.items)
        reply = Reply(data=msgspec.Raw(body))
    if page.items:
        reply.revision = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if not page.is_whole:
        reply.page_size = len(page.items)
        reply.start_key = page.start_key
        reply.next_start_key = page.next_start_key
    return reply
