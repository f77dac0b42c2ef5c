"""What every answer of Kazoo's dialect is wrapped in: envelope, headers, CORS, JSONP."""

from __future__ import annotations

import base64
import hashlib
import math
import random
import re
import socket
import time
from functools import lru_cache
from typing import Any

import msgspec
from aiohttp import HttpVersion11, web
from msgspec import UNSET, UnsetType
from multidict import istr

from api.written_answer import WrittenAnswer
from c2c_b2bua import __version__

NODE = (
    base64.urlsafe_b64encode(hashlib.md5(f"c2c@{socket.gethostname()}".encode(), usedforsecurity=False).digest())
    .rstrip(b"=")
    .decode()
)
X_REQUEST_ID = istr("X-Request-ID")
X_AUTH_TOKEN = istr("X-Auth-Token")
ORIGIN = istr("Origin")
REQUEST_METHOD = istr("Access-Control-Request-Method")
REQUEST_HEADERS = istr("Access-Control-Request-Headers")
PRETTY_PRINT = istr("X-Pretty-Print")
STANDING = {
    "Server": "c2c-b2bua",
    "Content-Language": "en",
    "Vary": "accept-language, accept",
    "Expires": "Fri, 01 Jan 1999 00:00:00 GMT",
    "Content-Type": "application/json",
}
REQUEST_ID = re.compile(r"[!-~]{1,128}")
CALLBACK = re.compile(r"[A-Za-z_$][\w$.]{0,127}", re.ASCII)
ALLOW_HEADERS = (
    "content-type, depth, user-agent, x-http-method-override, x-file-size, x-requested-with, if-modified-since, "
    "x-file-name, cache-control, x-auth-token, x-kazoo-cluster-id, if-match, if-none-match, authorization, "
    "idempotency-key, x-request-id, x-api-key"
)
EXPOSE_HEADERS = (
    "content-type, x-auth-token, x-request-id, x-kazoo-cluster-id, location, etag, retry-after, x-next-start-key"
)
encoder = msgspec.json.Encoder()


class Reply(msgspec.Struct, kw_only=True):
    """What a handler answers; `data` None and `status` alone make an empty body."""

    status: int = 200
    data: Any = None
    csv: bytes = b""
    """Instead of `data`."""
    message: str = ""
    """Set on errors."""
    revision: str = ""
    etag: bool = True
    """Whether the revision is the ETag too."""
    location: str = ""
    auth_token: str = ""
    is_empty: bool = False
    wait: float = 0.0
    """Seconds for Retry-After."""
    page_size: int | None = None
    start_key: str | None = None
    next_start_key: str | None = None
    closes: bool = False
    """The connection cannot be used any more: the body of the request was not read."""


class Envelope(msgspec.Struct, kw_only=True):
    """Around every answer; what is UNSET is not sent."""

    data: Any
    status: str
    request_id: str
    node: str
    version: str
    timestamp: str
    auth_token: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    revision: str | UnsetType = UNSET
    page_size: int | UnsetType = UNSET
    start_key: str | UnsetType = UNSET
    next_start_key: str | UnsetType = UNSET


def error(status: int, message: str, data: Any, wait: float = 0.0) -> Reply:
    """An answer that says no."""
    return Reply(status=status, message=message, data=data, wait=wait)


def request_id_of(request: web.BaseRequest) -> str:
    """The client's own, when it is printable; else a new one."""
    given = request.headers.get(X_REQUEST_ID)
    return given if given and REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def wants_cors(request: web.BaseRequest) -> bool:
    """Whether a browser asks on behalf of a page of another origin."""
    headers = request.headers
    return ORIGIN in headers or REQUEST_METHOD in headers or REQUEST_HEADERS in headers


def cors_headers(verbs: str) -> dict[str, str]:
    """For pages of any origin."""
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": verbs,
        "Access-Control-Allow-Headers": ALLOW_HEADERS,
        "Access-Control-Expose-Headers": EXPOSE_HEADERS,
        "Access-Control-Max-Age": "86400",
    }


def response(
    request: web.BaseRequest, reply: Reply, request_id: str, verbs: str, query: dict[str, str]
) -> web.StreamResponse:
    """The reply as HTTP."""
    headers = STANDING.copy()
    headers["X-Request-ID"] = request_id
    if reply.auth_token:
        headers["X-Auth-Token"] = reply.auth_token
    if reply.revision and reply.etag:
        headers["ETag"] = f'"{reply.revision}"'
    if reply.location:
        headers["Location"] = reply.location
    if reply.wait:
        headers["Retry-After"] = str(max(1, math.ceil(reply.wait)))
    if reply.status == 405:
        headers["Allow"] = verbs
    if reply.status >= 400 or wants_cors(request):
        headers.update(cors_headers(verbs))
    if reply.is_empty:
        del headers["Content-Type"]
        return web.Response(status=reply.status, headers=headers)
    if reply.csv:
        headers["Content-Type"] = "text/csv; charset=utf-8"
        headers["Content-Disposition"] = "attachment"
        if reply.next_start_key is not None:
            headers["X-Next-Start-Key"] = reply.next_start_key
        return web.Response(status=reply.status, body=reply.csv, headers=headers)
    body = encoder.encode(enveloped(reply, request_id))
    if query.get("pretty_print") == "true" or request.headers.get(PRETTY_PRINT) == "true":
        body = msgspec.json.format(body, indent=2)
    if (callback := query.get("jsonp")) and CALLBACK.fullmatch(callback):
        body = callback.encode() + b"(" + body + b");"
        headers["Content-Type"] = "application/javascript"
        headers["X-Content-Type-Options"] = "nosniff"
    if request.keep_alive and request.version == HttpVersion11 and request.method != "HEAD" and not reply.closes:
        return WrittenAnswer(request, reply.status, headers, body)
    answer = web.Response(status=reply.status, body=body, headers=headers)
    if reply.closes:
        answer.force_close()
    return answer


@lru_cache(maxsize=2)
def timestamp(now: int) -> str:
    """The second as RFC 3339; many answers share one."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def enveloped(reply: Reply, request_id: str) -> Envelope:
    """The reply as JSON will have it."""
    envelope = Envelope(
        data=reply.data,
        status="error" if reply.message else "success",
        request_id=request_id,
        node=NODE,
        version=__version__,
        timestamp=timestamp(int(time.time())),
    )
    if reply.auth_token:
        envelope.auth_token = reply.auth_token
    if reply.message:
        envelope.message = reply.message
        envelope.error = str(reply.status)
        return envelope
    if reply.revision:
        envelope.revision = reply.revision
    if reply.page_size is not None:
        envelope.page_size = reply.page_size
    if reply.start_key is not None:
        envelope.start_key = reply.start_key
    if reply.next_start_key is not None:
        envelope.next_start_key = reply.next_start_key
    return envelope
