"""Hands out the description: as JSON, and as a page."""

from __future__ import annotations

import gzip
import hashlib

import msgspec
from aiohttp import web

from api.openapi.document import described
from api.openapi.operation import Dialect
from api.openapi.page import page

VERBS = "GET, HEAD, OPTIONS"
STANDING = {
    "Server": "c2c-b2bua",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
}


class Leaf:
    """One text that stays the same while the process lives."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self.body = body
        self.zipped = gzip.compress(body, mtime=0)
        self.headers = {**STANDING, **headers}
        self.tag = hashlib.sha256(body).hexdigest()[:32]

    async def __call__(self, http: web.BaseRequest) -> web.Response:
        """GET, HEAD, OPTIONS."""
        if http.method == "OPTIONS":
            return web.Response(headers={**STANDING, "Allow": VERBS, "Access-Control-Allow-Methods": VERBS})
        if http.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={**STANDING, "Allow": VERBS})
        is_zipped = "gzip" in http.headers.get("Accept-Encoding", "")
        headers = {**self.headers, "ETag": f'"{self.tag}-gzip"' if is_zipped else f'"{self.tag}"'}
        known = http.headers.get("If-None-Match", "")
        if known.strip() == "*" or self.tag in known:
            return web.Response(status=304, headers=headers)
        if is_zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=self.zipped if is_zipped else self.body, headers=headers)


class Description:
    """Made once, of all dialects."""

    def __init__(self, dialects: list[Dialect]) -> None:
        self.document = described(dialects)
        self.json = Leaf(msgspec.json.encode(self.document), {"Content-Type": "application/json"})
        text, policy = page(self.document)
        self.page = Leaf(
            text,
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": policy,
                "Referrer-Policy": "no-referrer",
            },
        )
