"""A request in OMICall's dialect, read: who asks, query, body as JSON or as a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http import HttpProcessingError

from api.json_body import BadJsonError, decoded
from api.omicall_envelope import RefusedError
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.errors import UnauthenticatedError, UnknownError
from c2c_b2bua.service.exchange import Exchange

JSON_TYPES = frozenset({"", "application/json", "application/x-json", "application/octet-stream", "text/plain"})
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MOST_FIELDS = 1000
KEY_LENGTH = 64
LONGEST_KEY = 255
TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}
NOBODY: Any = object()


class OmicallRequest:
    """One request; `names` are the segments that stood for a `*` in the path of its resource."""

    __slots__ = ("account", "body", "exchange", "http", "names", "query")

    def __init__(self, http: web.BaseRequest, exchange: Exchange, names: list[str]) -> None:
        self.http = http
        self.exchange = exchange
        self.names = names
        self.account: Account = NOBODY
        self.body: dict[str, Any] = {}
        self.query: dict[str, list[str]] = {}
        for name, value in http.rel_url.query.items() if "?" in http.path_qs else ():
            self.query.setdefault(clean(name), []).append(clean(value))

    def asked(self, name: str) -> str:
        """A parameter of the query; empty when it is missing. RefusedError when it is there more than once."""
        found = self.query.get(name, [""])
        if len(found) > 1:
            raise RefusedError(f"{name}_invalid: expected once, given {len(found)} times")
        return found[0]

    def value(self, name: str) -> Any:
        """A parameter of the body, else of the query; None when it is missing."""
        found = self.body.get(name)
        return (self.query[name][0] if name in self.query else None) if found is None else found

    def text(self, name: str) -> str:
        """A parameter of the body that has to be a string, or a whole number; empty when it is neither."""
        found = self.body.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return found.strip() if isinstance(found, str) else ""

    def structure(self, name: str) -> Any:
        """A parameter that is an object: a form has it as JSON; None when it is missing. RefusedError."""
        found = self.value(name)
        if not isinstance(found, str):
            return found
        try:
            return decoded(found.encode())
        except BadJsonError as error:
            raise RefusedError(f"{name}_invalid: {error}") from None

    def is_true(self, name: str) -> bool:
        """A parameter that is true or false, as JSON or as text; RefusedError."""
        value = self.value(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if not isinstance(value, str) or value.lower() not in TRUTHS:
            raise RefusedError(f"{name}_invalid: expected true or false")
        return TRUTHS[value.lower()]

    async def authenticate(self) -> Account:
        """Whose token or API key the request shows; UnauthenticatedError, StorageError.

        As a bearer or bare in Authorization, the API key in X-API-Key as well; one that is good suffices.
        """
        headers = self.http.headers
        authorization = headers.get("Authorization", "").strip()
        scheme, _, rest = authorization.partition(" ")
        shown = [rest.strip() if scheme.lower() == "bearer" else authorization, headers.get("X-API-Key", "").strip()]
        problem = UnauthenticatedError()
        for credential in filter(None, shown):
            try:
                return await self.account_of(credential)
            except UnauthenticatedError as error:
                problem = error
        raise problem

    async def account_of(self, credential: str) -> Account:
        """The account of a token or API key; UnauthenticatedError."""
        accounts = self.exchange.accounts
        if len(credential) == KEY_LENGTH and "." not in credential:
            try:
                return await accounts.account_of_key(credential)
            except UnknownError:
                raise UnauthenticatedError from None
        return await accounts.account(accounts.grant(credential).account_id)

    async def read(self, is_required: bool) -> None:
        """Understand the body; RefusedError."""
        kind = self.http.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in JSON_TYPES and kind not in (FORM, MULTIPART) and self.http.can_read_body:
            expected = f"application/json, {FORM} or {MULTIPART}"
            raise RefusedError(f"content_type_invalid: expected {expected}, got {kind[:80]}", 415)
        try:
            if kind == MULTIPART:
                fields = await self.http.post() if self.http.can_read_body else {}
                pairs = [(name, value) for name, value in fields.items() if isinstance(value, str)]
                self.body = unique(pairs)
            elif body := await self.http.read():
                self.body = parsed(body, kind)
            elif is_required:
                raise RefusedError("request_body_required")
        except web.HTTPRequestEntityTooLarge:
            most = self.http.client_max_size
            raise RefusedError(f"request_body_invalid: it has more than {most} bytes", 413) from None
        except BadJsonError as error:
            raise RefusedError(f"request_body_invalid: {error}") from None
        except (ValueError, LookupError, AssertionError, web.RequestPayloadError, HttpProcessingError):
            self.http.content.feed_eof()  # Else the server reads on, and logs the error a second time.
            raise RefusedError("request_body_invalid: it cannot be read") from None

    def idempotency_key(self) -> str | None:
        """The client's, or None; RefusedError when it is beyond reason."""
        key = self.http.headers.get("Idempotency-Key")
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            raise RefusedError(f"idempotency_key_invalid: expected 1 to {LONGEST_KEY} printable characters")
        return key


def parsed(body: bytes, kind: str) -> dict[str, Any]:
    """A JSON object, which curl sends as a form by default, or a form; BadJsonError, ValueError."""
    if kind == FORM and body.lstrip()[:1] not in (b"{", b"["):
        return unique(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    value = decoded(body)
    if not isinstance(value, dict):
        raise BadJsonError("expected an object")
    return value


def unique(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a form, or BadJsonError when one is there twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise BadJsonError("a field is there twice")
    return fields


def clean(text: str) -> str:
    """What is not UTF-8 is made so."""
    return text.encode(errors="replace").decode()
