"""A request in Kazoo's dialect, read: body, envelope, query, verb, and where a parameter may stand."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from api import kazoo_errors
from api.envelope import Reply
from api.json_body import BadJsonError, decoded
from c2c_b2bua.service.accounts import Account, Grant
from c2c_b2bua.service.exchange import Exchange

JSON_TYPES = frozenset({"", "application/json", "application/x-json", "application/octet-stream"})
FORM = "application/x-www-form-urlencoded"
OTHER_TYPES = frozenset({"multipart/mixed", "text/csv", "application/csv", "text/comma-separated-values"})
MULTIPART = "multipart/form-data"
TUNNELLED = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE"})
UNASKED: Any = object()


class RefusedError(Exception):
    """The request ends here, with this reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(reply.message)


class KazooRequest:
    """One request; `segments` is its path after the version, `data` and `envelope` what its body held."""

    __slots__ = (
        "account",
        "content_type",
        "data",
        "envelope",
        "exchange",
        "grant",
        "http",
        "names",
        "query",
        "segments",
        "verb",
    )

    def __init__(self, http: web.BaseRequest, exchange: Exchange, segments: list[str]) -> None:
        self.http = http
        self.exchange = exchange
        self.segments = segments
        self.verb = http.method
        self.query: dict[str, str] = query_of(http)
        self.content_type = http.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.data: Any = {}
        self.envelope: dict[str, Any] = {}
        self.names: list[str] = []
        """The segments that stood for a `*` in the resource's path."""
        self.account: Account = UNASKED
        self.grant: Grant | None = None

    async def read(self) -> None:
        """Read and understand the body; RefusedError."""
        if not self.http.can_read_body:
            return
        if self.content_type == MULTIPART:
            self.data = await multipart_fields(self.http)
            return
        try:
            body = await self.http.read()
        except web.HTTPRequestEntityTooLarge:
            raise RefusedError(kazoo_errors.too_large(self.http.client_max_size)) from None
        except web.RequestPayloadError:
            raise RefusedError(kazoo_errors.bad_json()) from None
        if body and self.content_type in JSON_TYPES:
            self.take_json(body)
        elif body and self.content_type == FORM:
            self.take_form(body)

    def take_json(self, body: bytes) -> None:
        """An envelope with data in it; RefusedError."""
        try:
            document = decoded(body)
        except BadJsonError:
            raise RefusedError(kazoo_errors.bad_json()) from None
        if not isinstance(document, dict) or "data" not in document:
            raise RefusedError(kazoo_errors.no_data())
        if not isinstance(document["data"], dict | list):
            raise RefusedError(kazoo_errors.data_of_wrong_type(document["data"]))
        self.data = document["data"]
        self.envelope = document

    def take_form(self, body: bytes) -> None:
        """The fields of a form as data; JSON in disguise, which curl sends by default, as JSON."""
        if body.lstrip()[:1] in (b"{", b"[") or b"=" not in body:
            self.take_json(body)
            return
        try:
            self.data = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000))
        except ValueError:
            raise RefusedError(kazoo_errors.bad_json()) from None

    def tunnelled_verb(self) -> str:
        """The verb that a POST carries inside."""
        if self.verb == "POST" and isinstance(verb := self.value("verb"), str) and verb.upper() in TUNNELLED:
            return verb.upper()
        return self.verb

    def value(self, name: str) -> Any:
        """A parameter: of the data, else of the query, else of the envelope; None when there is none."""
        if isinstance(self.data, dict) and (found := self.data.get(name)) is not None:
            return found
        if (found := self.query.get(name)) is not None:
            return found
        return self.envelope.get(name)

    def accepts_json(self) -> bool:
        """Whether the client takes what we send."""
        accepted = self.query.get("accept") or self.envelope.get("accept") or self.http.headers.get("Accept")
        if not isinstance(accepted, str) or accepted == "json":
            return True
        ranges = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
        return bool(ranges & ACCEPTABLE) or not any(ranges)

    def has_known_type(self) -> bool:
        """Whether the body, if there is one, is of a type that is read here."""
        kind = self.content_type
        return kind in JSON_TYPES or kind in (FORM, MULTIPART) or kind in OTHER_TYPES

    def matches(self, header: str, revision: str) -> bool:
        """Whether a conditional header names this revision."""
        tags = [tag.strip().removeprefix("W/").strip('"') for tag in self.http.headers.get(header, "").split(",")]
        return "*" in tags or revision in tags

    def require_match(self, revision: str) -> None:
        """RefusedError when the client means another revision."""
        if "If-Match" in self.http.headers and not self.matches("If-Match", revision):
            raise RefusedError(Reply(status=412, is_empty=True))


ACCEPTABLE = frozenset(
    {"*/*", "application/*", "application/json", "application/x-json", "application/javascript", "text/javascript"}
)


def query_of(http: web.BaseRequest) -> dict[str, str]:
    """The query, of a repeated name the first; what is not UTF-8 is made so."""
    if "?" not in http.path_qs:
        return {}
    pairs = http.rel_url.query.items()
    query: dict[str, str] = {}
    for name, value in pairs:
        query.setdefault(name.encode(errors="replace").decode(), value.encode(errors="replace").decode())
    return query


async def multipart_fields(http: web.BaseRequest) -> dict[str, Any]:
    """The text fields of a multipart form; RefusedError."""
    try:
        fields = await http.post()
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError(kazoo_errors.too_large(http.client_max_size)) from None
    except (ValueError, LookupError, AssertionError, web.RequestPayloadError):
        raise RefusedError(kazoo_errors.bad_json()) from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}
