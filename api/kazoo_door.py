"""The way every request of Kazoo's dialect takes, check after check in Kazoo's order."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from api import auth, kazoo, kazoo_errors
from api.client_limits import LOG_IN, ClientLimits
from api.envelope import Reply, cors_headers, error, request_id_of, response
from api.kazoo_request import KazooRequest, RefusedError
from c2c_b2bua.service.errors import ServiceError, UnauthenticatedError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError

log = structlog.get_logger()
Handler = Callable[[KazooRequest], Awaitable[Reply]]
KNOWN_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ACCOUNT_ID = re.compile(r"[0-9a-zA-Z]{32}")


class Resource:
    """A path, `*` standing for one segment, and what each verb does there; `is_public`: without a token."""

    def __init__(self, path: str, is_public: bool, **handlers: Handler) -> None:
        self.parts = path.split("/")
        self.handlers = handlers
        self.is_public = is_public
        self.of_account = self.parts[0] == "accounts"
        self.verbs = ", ".join([*sorted(handlers), "OPTIONS"])

    def names(self, segments: list[str]) -> list[str] | None:
        """The segments that stand for a `*`, None when the path is another."""
        names = []
        for part, segment in zip(self.parts, segments, strict=True):
            if part == "*":
                names.append(segment)
            elif part != segment:
                return None
        return names


class KazooDoor:
    """Answers everything under `/v2`, and says so everywhere else."""

    def __init__(self, exchange: Exchange, limits: ClientLimits, resources: list[Resource]) -> None:
        self.exchange = exchange
        self.limits = limits
        self.resources: dict[int, list[Resource]] = {}
        for resource in resources:
            self.resources.setdefault(len(resource.parts), []).append(resource)

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        segments = [segment for segment in http.path.split("/") if segment]
        request_id = request_id_of(http)
        request = KazooRequest(http, self.exchange, segments[1:])
        resource: Resource | None = None
        try:
            if segments[0] == "v1":
                raise RefusedError(kazoo_errors.gone())
            resource = self.find(request)
            if http.method == "OPTIONS":
                verbs = resource.verbs if resource else "OPTIONS"
                return web.Response(headers={**cors_headers(verbs), "X-Request-ID": request_id, "Allow": verbs})
            reply = await self.answer(request, resource)
        except RefusedError as refused:
            reply = refused.reply
        except (ServiceError, StorageError) as cause:
            reply = kazoo_errors.refusal(cause)
        except Exception:
            log.exception("request failed", path=http.path, request_id=request_id)
            reply = error(500, "init failed", {})
        if request.grant and not reply.auth_token and not revoked(request):
            reply.auth_token = request.grant.token
        verbs = resource.verbs if resource else "OPTIONS"
        return response(http, reply, request_id, verbs, request.query)

    def find(self, request: KazooRequest) -> Resource | None:
        """The resource of this path; its names go to the request."""
        segments = request.segments
        if segments[:1] == ["account"]:
            segments = ["accounts", "", *segments[1:]]
        for resource in self.resources.get(len(segments), ()):
            names = resource.names(segments)
            if names is not None:
                request.names = names
                return resource
        return None

    async def answer(self, request: KazooRequest, resource: Resource | None) -> Reply:
        """Body, path, verb, account, token, types, and then what was asked for; RefusedError, ServiceError."""
        if request.verb not in KNOWN_VERBS:
            raise RefusedError(Reply(status=501, is_empty=True))
        await request.read()
        if resource is None:
            raise RefusedError(kazoo_errors.not_found())
        request.verb = request.tunnelled_verb()
        handler = resource.handlers.get(request.verb)
        if handler is None:
            raise RefusedError(kazoo_errors.method_not_allowed())
        if resource.of_account:
            await self.find_account(request)
        self.throttle(request, LOG_IN if resource.is_public and request.verb == "PUT" else 1.0)
        if resource.of_account:
            kazoo.authenticate(request)
        elif not resource.is_public:
            request.grant = auth.grant_of(request)
        if request.verb in ("PUT", "POST", "PATCH") and not request.has_known_type():
            raise RefusedError(Reply(status=415, is_empty=True))
        if not request.accepts_json():
            raise RefusedError(Reply(status=406, is_empty=True))
        reply = await handler(request)
        has_tag = request.verb == "GET" and reply.revision and reply.etag
        if has_tag and "If-None-Match" in request.http.headers and request.matches("If-None-Match", reply.revision):
            return Reply(status=304, is_empty=True, revision=reply.revision)
        return reply

    async def find_account(self, request: KazooRequest) -> None:
        """The account of the path, or of the token when the path says `account`; RefusedError, ServiceError."""
        account_id = request.names[0]
        if not account_id:
            try:
                account_id = auth.grant_of(request).account_id
            except UnauthenticatedError:
                raise UnauthenticatedError(expired=True) from None
        if not ACCOUNT_ID.fullmatch(account_id):
            raise RefusedError(kazoo_errors.bad_account_id(account_id))
        request.account = await self.exchange.accounts.account(account_id)

    def throttle(self, request: KazooRequest, cost: float) -> None:
        """The limit of one client address at one account; RefusedError."""
        account_id = request.names[0] if request.names else ""
        if wait := self.limits.wait(request.http.remote or "", account_id, cost, self.exchange.engine.now()):
            raise RefusedError(error(429, "too_many_requests", {"message": "too many requests"}, wait))


def revoked(request: KazooRequest) -> bool:
    """Whether the request was to make its own token worthless."""
    return request.verb == "DELETE" and request.segments == ["token_auth"]
