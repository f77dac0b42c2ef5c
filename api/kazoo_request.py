"""A request in Kazoo's dialect, read: body, envelope, query, verb, and where a parameter may stand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http import HttpProcessingError
from multidict import istr

from api import kazoo_errors
from api.envelope import Reply
from api.json_body import BadJsonError, decoded
from c2c_b2bua.service.accounts import Account, Grant
from c2c_b2bua.service.errors import InvalidError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.validation import Schema, validate

JSON_TYPES = frozenset({"", "application/json", "application/x-json", "application/octet-stream"})
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
OTHER_TYPES = frozenset({"multipart/mixed", "text/csv", "application/csv", "text/comma-separated-values"})
KNOWN_TYPES = JSON_TYPES | OTHER_TYPES | {FORM, MULTIPART}
JSON_RANGES = (
    "application/json",
    "application/x-json",
    "application/javascript",
    "text/javascript",
    "application/*",
    "*/*",
)
CSV_RANGES = ("text/csv", "application/csv", "text/comma-separated-values", "text/*", "*/*")
"""Media ranges that our JSON and CSV fit, the closest first."""
WORDS = {"json": "application/json", "csv": "text/csv"}
Format = Literal["json", "csv"]
CONTENT_TYPE = istr("Content-Type")
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
        "data",
        "envelope",
        "exchange",
        "format",
        "grant",
        "http",
        "is_v1",
        "names",
        "query",
        "segments",
        "verb",
    )

    def __init__(self, http: web.BaseRequest, exchange: Exchange, version: str, segments: list[str]) -> None:
        self.http = http
        self.exchange = exchange
        self.is_v1 = version == "v1"
        self.segments = segments
        self.verb = http.method
        self.query: dict[str, str] = query_of(http)
        self.data: Any = {}
        self.envelope: dict[str, Any] = {}
        self.names: list[str] = []
        """The segments that stood for a `*` in the resource's path."""
        self.account: Account = UNASKED
        self.grant: Grant | None = None
        self.format: Format = "json"
        """What the answer is wanted in."""

    def content_type(self) -> str:
        """Of the body, without parameters."""
        return self.http.headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()

    async def read(self) -> None:
        """Read and understand the body; RefusedError."""
        if not self.http.can_read_body:
            return
        content_type = self.content_type()
        if content_type == MULTIPART:
            self.data = await multipart_fields(self.http)
            return
        try:
            body = await self.http.read()
        except web.HTTPRequestEntityTooLarge:
            raise RefusedError(kazoo_errors.too_large(self.http.client_max_size)) from None
        except web.RequestPayloadError:
            raise RefusedError(unreadable(self.http)) from None
        if body and content_type in JSON_TYPES:
            self.take_json(body)
        elif body and content_type == FORM:
            self.take_form(body)

    def take_json(self, body: bytes) -> None:
        """An envelope with data in it; RefusedError."""
        try:
            document = decoded(body)
        except BadJsonError:
            raise RefusedError(kazoo_errors.bad_json()) from None
        if not isinstance(document, dict) or "data" not in document:
            raise RefusedError(kazoo_errors.no_data())
        if not isinstance(document["data"], (dict, list)):
            raise RefusedError(kazoo_errors.data_of_wrong_type(document["data"]))
        self.data = document["data"]
        self.envelope = document

    def take_form(self, body: bytes) -> None:
        """The fields of a form as data; JSON in disguise, which curl sends by default, as JSON."""
        if body.lstrip()[:1] in (b"{", b"[") or b"=" not in body:
            self.take_json(body)
            return
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
            self.data = dict(reversed(pairs))  # Of a repeated name the first.
        except ValueError:
            raise RefusedError(kazoo_errors.bad_json()) from None

    def tunnelled_verb(self) -> str:
        """The verb that a POST carries inside."""
        if self.verb == "POST" and isinstance(verb := self.value("verb"), str) and verb:
            return verb.upper()
        return self.verb

    def value(self, name: str) -> Any:
        """A parameter: of the data, else of the query, else of the envelope; None when there is none."""
        if isinstance(self.data, dict) and (found := self.data.get(name)) is not None:
            return found
        if (found := self.query.get(name)) is not None:
            return found
        return self.envelope.get(name)

    def fields(self, schema: Schema) -> dict[str, Any]:
        """What the schema names, from wherever it stands in the request; InvalidError."""
        given = {name: value for name in schema["properties"] if (value := self.value(name)) is not None}
        found, complaints = validate(given, schema)
        if complaints:
            raise InvalidError(complaints)
        return dict(found)

    def choose_format(self, has_csv: bool) -> None:
        """Note which of what there is the client likes best; RefusedError when it takes none of it."""
        accepted = self.query.get("accept") or self.envelope.get("accept")
        if not isinstance(accepted, str):
            accepted = self.http.headers.get("Accept")
            if accepted is None:
                return
        found = preferred(accepted, has_csv)
        if found is None:
            raise RefusedError(Reply(status=406, is_empty=True))
        self.format = found

    def require_known_type(self) -> None:
        """RefusedError for a body of a type that is not read here."""
        if self.content_type() not in KNOWN_TYPES:
            raise RefusedError(Reply(status=415, is_empty=True))

    def matches(self, header: str, revision: str) -> bool:
        """Whether a conditional header names this revision; one meant weakly does so for If-None-Match only."""
        tags = [tag.strip() for tag in self.http.headers.get(header, "").split(",")]
        if header == "If-None-Match":
            tags = [tag.removeprefix("W/") for tag in tags]
        return "*" in tags or f'"{revision}"' in tags or revision in tags

    def require_match(self, revision: str) -> None:
        """RefusedError when the client means another revision."""
        headers = self.http.headers
        if ("If-Match" in headers and not self.matches("If-Match", revision)) or (
            "If-None-Match" in headers and self.matches("If-None-Match", revision)
        ):
            raise RefusedError(Reply(status=412, is_empty=True))


@lru_cache(maxsize=256)
def preferred(accepted: str, has_csv: bool) -> Format | None:
    """What an Accept header (RFC 9110 §12.5.1), or one of our words, likes best of JSON and CSV."""
    liked: dict[str, float] = {}
    for part in WORDS.get(accepted, accepted).split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name:
            liked[name] = quality(parameters)
    json = liking(liked, JSON_RANGES) if liked else 1.0
    csv = liking(liked, CSV_RANGES) if has_csv else 0.0
    if not json and not csv:
        return None
    return "csv" if csv > json else "json"


def quality(parameters: list[str]) -> float:
    """How much of 1.0 a range is liked."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def liking(liked: dict[str, float], ranges: tuple[str, ...]) -> float:
    """How much the first of these ranges that is named is liked."""
    return next((liked[name] for name in ranges if name in liked), 0.0)


def query_of(http: web.BaseRequest) -> dict[str, str]:
    """The query, of a repeated name the first; what is not UTF-8 is made so."""
    query: dict[str, str] = {}
    if "?" in http.raw_path:
        for name, value in http.rel_url.query.items():
            query.setdefault(name.encode(errors="replace").decode(), value.encode(errors="replace").decode())
    return query


def segments_of(http: web.BaseRequest) -> list[str]:
    """The parts of the path; repeated slashes count as one."""
    path = http.raw_path.partition("?")[0]
    if not path.startswith("/") or "%" in path:
        path = http.path  # In absolute form, or with characters escaped.
    return [*filter(None, path.split("/"))]


def unreadable(http: web.BaseRequest) -> Reply:
    """The answer to a body that cannot be unpacked, after which the connection is of no use."""
    http.content.feed_eof()  # Else the server reads on, and logs the error a second time.
    reply = kazoo_errors.bad_json()
    reply.closes = True
    return reply


async def multipart_fields(http: web.BaseRequest) -> dict[str, Any]:
    """The text fields of a multipart form; RefusedError."""
    try:
        fields = await http.post()
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError(kazoo_errors.too_large(http.client_max_size)) from None
    except (ValueError, LookupError, AssertionError, web.RequestPayloadError, HttpProcessingError):
        raise RefusedError(unreadable(http)) from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}
