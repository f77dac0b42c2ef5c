"""TVox's door, `POST /tvox/webapi`: HTTP around JSON-RPC calls, alone or in a batch."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
import structlog
from aiohttp import web
from msgspec import UnsetType

from api import tvox_rpc
from api.client_limits import ClientLimits
from api.envelope import cors_headers, wants_cors
from api.json_body import BadJsonError, decoded
from api.tvox import METHODS
from api.tvox_errors import refusal
from api.tvox_parameters import parameters
from api.tvox_rpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Call,
    Id,
    RpcError,
    call_of,
    invalid_request,
)
from api.tvox_session import Session, session_of, set_cookie
from api.tvox_visit import Visit
from c2c_b2bua.service.errors import ServiceError, TooManyError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError

log = structlog.get_logger()
encoder = msgspec.json.Encoder()
VERBS = "POST, OPTIONS"
MOST_CALLS = 100
"""In one batch."""


class UnreadError(RpcError):
    """The body was not read to its end, so the connection is good for nothing more."""


class TvoxDoor:
    """Answers everything under `/tvox`. What is wrong with a call is said in JSON-RPC; HTTP says 200."""

    def __init__(self, exchange: Exchange, limits: ClientLimits) -> None:
        self.exchange = exchange
        self.limits = limits

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        if [segment for segment in http.path.split("/") if segment] != ["tvox", "webapi"]:
            return response(http, 404, tvox_rpc.error(None, invalid_request("the WebAPI is at /tvox/webapi")))
        if http.method == "OPTIONS":
            return web.Response(headers={**cors_headers(VERBS), "Allow": VERBS})
        if http.method != "POST":
            reply = response(http, 405, tvox_rpc.error(None, invalid_request("calls are sent by POST")))
            reply.headers["Allow"] = VERBS
            return reply
        visit = Visit(self.exchange, http, await self.session(http))
        try:
            value = await body_of(http)
        except RpcError as cause:
            reply = response(http, 200, tvox_rpc.error(None, cause))
            if isinstance(cause, UnreadError):
                reply.force_close()
            return reply
        said = await self.batch(visit, value) if isinstance(value, list) else await self.answer(visit, value)
        reply = response(http, 204 if said is None else 200, said)
        self.keep_session(visit, reply)
        return reply

    async def session(self, http: web.BaseRequest) -> Session | ServiceError | RpcError:
        """Who is logged in, or why nobody is."""
        try:
            return await session_of(http, self.exchange.accounts)
        except (ServiceError, RpcError) as cause:
            return cause

    async def batch(self, visit: Visit, values: list[Any]) -> list[dict[str, Any]] | dict[str, Any] | None:
        """The answers of a batch, all of whose calls are made at the same time; None when nothing is to be said."""
        if not 0 < len(values) <= MOST_CALLS:
            return tvox_rpc.error(None, invalid_request(f"a batch has 1 to {MOST_CALLS} calls"))
        answers = await asyncio.gather(*(self.answer(visit, value, at) for at, value in enumerate(values)))
        return [answer for answer in answers if answer is not None] or None

    async def answer(self, visit: Visit, value: Any, position: int | None = None) -> dict[str, Any] | None:
        """The answer to one call, None for a notification."""
        call_id: Id | UnsetType = tvox_rpc.id_of(value)
        try:
            call = call_of(value, position)
            call_id = call.id
            said = await self.perform(visit, call)
        except RpcError as cause:
            error = cause
        except (ServiceError, StorageError) as cause:
            error = refusal(cause)
        except Exception:
            log.exception("request failed", path=visit.http.path)
            error = RpcError(INTERNAL_ERROR, "Internal error")
        else:
            return None if isinstance(call_id, UnsetType) else tvox_rpc.result(call_id, said)
        return None if isinstance(call_id, UnsetType) else tvox_rpc.error(call_id, error)

    async def perform(self, visit: Visit, call: Call) -> Any:
        """What the method gives; RpcError, ServiceError, StorageError."""
        method = METHODS.get(call.method)
        account_id = visit.session.account.id if isinstance(visit.session, Session) else ""
        if method is None:
            self.throttle(visit, account_id, 1.0)
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        self.throttle(visit, "" if method.is_public else account_id, method.cost)
        if not method.is_public:
            visit.who()
        return await method.run(visit, parameters(method.parameters, call.params), call)

    def throttle(self, visit: Visit, account_id: str, cost: float) -> None:
        """The limit of one client address at one account; TooManyError."""
        if wait := self.limits.wait(visit.http.remote or "", account_id, cost, self.exchange.engine.now()):
            raise TooManyError("too many requests", wait)

    def keep_session(self, visit: Visit, reply: web.Response) -> None:
        """Hand out the cookie of a new session, or of one whose time is half over."""
        token, session = visit.new_token, visit.session
        cookies = visit.http.headers.get("Cookie", "")
        if token is None and isinstance(session, Session) and session.grant.token in cookies:
            accounts = self.exchange.accounts
            left = session.grant.expires_at - accounts.now()
            if left < self.exchange.settings.api.token_ttl / 2:
                token = accounts.issue(session.account, session.user.id).token
        if token is not None:
            set_cookie(reply, visit.http, token)


async def body_of(http: web.BaseRequest) -> Any:
    """The JSON of the body, of whatever type it says it is; RpcError."""
    try:
        return decoded(await http.read())
    except web.HTTPRequestEntityTooLarge:
        text = f"a body has no more than {http.client_max_size} bytes"
        raise UnreadError(INVALID_REQUEST, "Invalid Request", message=text) from None
    except web.RequestPayloadError:
        http.content.feed_eof()  # Else the server reads on, and logs the error a second time.
        raise UnreadError(PARSE_ERROR, "Parse error", message="the body cannot be unpacked") from None
    except BadJsonError as error:
        raise RpcError(PARSE_ERROR, "Parse error", message=str(error)) from None


def response(http: web.BaseRequest, status: int, said: Any) -> web.Response:
    """The answer as HTTP; None is said by an empty body."""
    headers = {"Server": "c2c-b2bua", "Cache-Control": "no-store"}
    if wants_cors(http):
        headers.update(cors_headers(VERBS))
    if said is None:
        return web.Response(status=status, headers=headers)
    headers["Content-Type"] = "application/json"
    if wait := wait_of(said):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return web.Response(status=status, body=encoder.encode(said), headers=headers)


def wait_of(said: Any) -> float:
    """The seconds after which one refused call can be made again; 0.0: nothing is said of that."""
    if not isinstance(said, dict) or "error" not in said:
        return 0.0
    return float(said["error"].get("data", {}).get("retry_after", 0.0))
