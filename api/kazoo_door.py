"""The way every request of Kazoo's dialect takes, check after check in Kazoo's order."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from api import auth, kazoo_errors, kazoo_v1
from api.client_limits import LOG_IN, ClientLimits
from api.envelope import X_AUTH_TOKEN, Reply, cors_headers, error, request_id_of, response
from api.kazoo_request import KazooRequest, RefusedError, segments_of
from c2c_b2bua.service.errors import ServiceError, UnauthenticatedError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError

log = structlog.get_logger()
Handler = Callable[[KazooRequest], Awaitable[Reply]]
KNOWN_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITH_BODY = frozenset({"PUT", "POST", "PATCH"})
ACCOUNT_ID = re.compile(r"[0-9a-zA-Z]{32}")


class Resource:
    """A path, `*` standing for one segment, and what each verb does there.

    `is_public`: without a token; `has_csv`: what GET answers is a list that may be had as CSV.
    """

    def __init__(self, path: str, *, is_public: bool = False, has_csv: bool = False, **handlers: Handler) -> None:
        self.parts = path.split("/")
        self.handlers = handlers
        self.is_public = is_public
        self.has_csv = has_csv
        self.of_account = self.parts[0] == "accounts"
        self.verbs = ", ".join([*sorted(handlers), "OPTIONS"])


class Junction:
    """Where paths part: the next segment → what is there; `other`: for any other."""

    __slots__ = ("other", "resource", "ways")

    def __init__(self) -> None:
        self.resource: Resource | None = None
        self.ways: dict[str, Junction] = {}
        self.other: Junction | None = None

    def way(self, part: str) -> Junction:
        """What is behind this part of a resource's path, made if need be."""
        if part != "*":
            return self.ways.setdefault(part, Junction())
        self.other = self.other or Junction()
        return self.other


class KazooDoor:
    """Answers everything under `/v1` and `/v2`."""

    def __init__(self, exchange: Exchange, limits: ClientLimits, resources: list[Resource]) -> None:
        self.exchange = exchange
        self.limits = limits
        self.root = Junction()
        for resource in resources:
            here = self.root
            for part in resource.parts:
                here = here.way(part)
            here.resource = resource

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        segments = segments_of(http)
        request_id = request_id_of(http)
        request = KazooRequest(http, self.exchange, segments[0], segments[1:])
        resource = self.find(request)
        try:
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
        if request.is_v1 and reply.message:
            reply.data = kazoo_v1.collapsed(reply.data)
        verbs = resource.verbs if resource else "OPTIONS"
        return response(http, reply, request_id, verbs, request.query)

    def find(self, request: KazooRequest) -> Resource | None:
        """The resource of this path; its names go to the request."""
        segments = request.segments
        if segments[:1] == ["account"]:
            segments = ["accounts", "", *segments[1:]]
        here = self.root
        for segment in segments:
            way = here.ways.get(segment)
            if way is None:
                way = here.other
                if way is None:
                    return None
                request.names.append(segment)
            here = way
        return here.resource

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
        self.authenticate(request, resource)
        if request.verb in WITH_BODY:
            request.require_known_type()
        request.choose_format(resource.has_csv and request.verb == "GET")
        reply = await handler(request)
        if request.verb == "GET" and reply.revision and reply.etag:
            headers = request.http.headers
            if "If-Match" in headers and not request.matches("If-Match", reply.revision):
                return Reply(status=412, is_empty=True)
            if "If-None-Match" in headers and request.matches("If-None-Match", reply.revision):
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
        accounts = self.exchange.accounts
        if found := accounts.by_id.get(account_id):
            request.account = found
            return
        if not ACCOUNT_ID.fullmatch(account_id):
            raise RefusedError(kazoo_errors.bad_account_id(account_id))
        request.account = await accounts.account(account_id)

    def authenticate(self, request: KazooRequest, resource: Resource) -> None:
        """Who asks, how often, and whether the account is open for business; RefusedError, ServiceError.

        A log-in costs more than anything else, and so does a wrong password that comes with another request.
        """
        client, now = request.http.remote or "", self.exchange.engine.now()
        account_id = request.account.id if resource.of_account else ""
        has_password = not request.http.headers.get(X_AUTH_TOKEN) and auth.has_password(request)
        is_dear = has_password or (resource.is_public and request.verb == "PUT")
        if wait := self.limits.wait(client, account_id, LOG_IN if is_dear else 1.0, now):
            raise RefusedError(error(429, "too_many_requests", {"message": "too many requests"}, wait))
        if resource.is_public:
            return
        if resource.of_account:
            auth.authenticate(request)
            request.account.require_enabled(now)
        else:
            request.grant = auth.grant_of(request)
        if has_password and request.grant:
            self.limits.give_back(client, account_id, LOG_IN - 1.0)


def revoked(request: KazooRequest) -> bool:
    """Whether the request was to make its own token worthless."""
    return request.verb == "DELETE" and request.segments == ["token_auth"]
