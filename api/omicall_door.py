"""OMICall's door, everything under `/api`: path, verb, token, body, and then what was asked for."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from api import omicall, omicall_lists, omicall_webhooks
from api.client_limits import LOG_IN, ClientLimits
from api.envelope import cors_headers, wants_cors
from api.omicall_envelope import RefusedError
from api.omicall_hooks import rendered
from api.omicall_request import OmicallRequest
from c2c_b2bua.service.errors import (
    ConflictingError,
    InvalidError,
    LockedError,
    OrphanedError,
    ServiceError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
)
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError

log = structlog.get_logger()
Handler = Callable[[OmicallRequest], Awaitable[bytes]]
HEADERS = {"Server": "c2c-b2bua", "Content-Type": "application/json", "Cache-Control": "no-store"}
STORAGE_WAIT = 1.0

RESOURCES: dict[str, dict[str, Handler]] = {
    "auth": {"GET": omicall.auth},
    "click2call": {"POST": omicall.click2call},
    "calls": {"GET": omicall.list_calls},
    "calls/*": {"GET": omicall.read_call, "DELETE": omicall.hang_up},
    "call_center/hotline/list": {"GET": omicall_lists.list_hotlines},
    "call_center/internal_phone/list": {"GET": omicall_lists.list_phones},
    "call_transaction/list": {"GET": omicall_lists.list_transactions},
    "call_transaction/detail/*": {"GET": omicall.detail},
    "webhooks/list": {"GET": omicall_webhooks.list_webhooks},
    "webhooks/register": {"POST": omicall_webhooks.register},
    "webhooks/destroy": {"POST": omicall_webhooks.destroy},
}
WITHOUT_TOKEN = omicall.auth
WITHOUT_BODY = omicall_webhooks.destroy
"""A POST that may say everything in its query."""


class OmicallDoor:
    """Gives the webhooks of all accounts their words, too: they were registered here."""

    def __init__(self, exchange: Exchange, limits: ClientLimits) -> None:
        self.exchange = exchange
        self.limits = limits
        exchange.webhooks.speak(rendered)

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        handlers, names = resource(http.path)
        verbs = ", ".join([*handlers, "OPTIONS"])
        if http.method == "OPTIONS":
            return web.Response(headers={**cors_headers(verbs), "Allow": verbs})
        headers = dict(HEADERS)
        status = 200
        try:
            body = await self.answer(OmicallRequest(http, self.exchange, names), handlers)
        except RefusedError as refused:
            body, status = refused.encoded(), refused.status
            if refused.wait:
                headers["Retry-After"] = str(max(1, math.ceil(refused.wait)))
        except Exception:
            log.exception("request failed", path=http.path)
            body, status = RefusedError("internal_error").encoded(), 500
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if status == 405:
            headers["Allow"] = verbs
        if status >= 400 or wants_cors(http):
            headers.update(cors_headers(verbs))
        reply = web.Response(status=status, body=body, headers=headers)
        if status == 413:
            reply.force_close()
        return reply

    async def answer(self, request: OmicallRequest, handlers: dict[str, Handler]) -> bytes:
        """The answer of whoever is asked; RefusedError."""
        http = request.http
        if not handlers:
            raise RefusedError(f"path_not_found: there is nothing at {http.path[:200]}", 404)
        handler = handlers.get(http.method)
        if handler is None:
            raise RefusedError(f"method_not_allowed: expected {' or '.join(handlers)}, got {http.method[:20]}", 405)
        try:
            if handler is WITHOUT_TOKEN:
                self.throttle(request, "", LOG_IN)
            else:
                await self.authenticate(request)
            if http.method == "POST":
                await request.read(handler is not WITHOUT_BODY)
            return await handler(request)
        except (ServiceError, StorageError) as cause:
            raise refusal(cause) from None

    async def authenticate(self, request: OmicallRequest) -> None:
        """Note whose account it is; RefusedError, StorageError."""
        try:
            request.account = await request.authenticate()
        except OrphanedError as cause:
            self.throttle(request, "", 1.0)
            raise self.unknown_tenant(request, cause) from None
        except UnauthenticatedError:
            self.throttle(request, "", 1.0)
            raise RefusedError("unauthorized", 401) from None
        self.throttle(request, request.account.id, 1.0)
        try:
            request.account.require_enabled(self.exchange.engine.now())
        except LockedError as cause:
            raise self.unknown_tenant(request, cause) from None

    def unknown_tenant(self, request: OmicallRequest, cause: ServiceError) -> RefusedError:
        """The account of a good token is gone, or may do nothing."""
        is_call = resource(request.http.path)[0] is RESOURCES["click2call"]
        return omicall.refusal(cause) if is_call else refusal(cause)

    def throttle(self, request: OmicallRequest, account_id: str, cost: float) -> None:
        """The limit of one client address at one account; RefusedError."""
        if wait := self.limits.wait(request.http.remote or "", account_id, cost, self.exchange.engine.now()):
            raise RefusedError("too_many_requests", 429, wait=wait)


def resource(path: str) -> tuple[dict[str, Handler], list[str]]:
    """What each verb does at this path, nothing where there is nothing; and the segment that stands for a `*`."""
    segments = [segment for segment in path.split("/") if segment][1:]
    if found := RESOURCES.get("/".join(segments)):
        return (found, []) if "*" not in segments else ({}, [])
    return RESOURCES.get("/".join([*segments[:-1], "*"]), {}), segments[-1:]


def refusal(cause: ServiceError | StorageError) -> RefusedError:
    """The answer to a request that the service refused."""
    match cause:
        case LockedError() | OrphanedError():
            return RefusedError("tenant_invalid")
        case UnauthenticatedError():
            return RefusedError("unauthorized", 401)
        case InvalidError():
            ((field, codes),) = list(cause.complaints.items())[:1]
            code, complaint = next(iter(codes.items()))
            if code == "required":
                return RefusedError(f"{field}_is_required")
            return RefusedError(f"{field}_invalid: {complaint['message']}")
        case TooManyError():
            return RefusedError("too_many_requests", 429, wait=cause.wait)
        case UnavailableError():
            return RefusedError(f"service_unavailable: {cause}", 503, wait=cause.wait)
        case ConflictingError():
            return RefusedError(f"conflict: {cause}", 409)
        case ServiceError():
            return RefusedError(str(cause))
        case _:
            return RefusedError(f"datastore: {cause}", 503, wait=STORAGE_WAIT)
