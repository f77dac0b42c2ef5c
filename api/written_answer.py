"""An answer written as it leaves: aiohttp's own way costs as much as the connect that is answered.

For HTTP/1.1, over a connection that stays open; byte for byte what `web.Response` would send.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


class WrittenAnswer(web.StreamResponse):
    """`headers` are clean: no control characters. The body is never empty, and the request is no HEAD."""

    def __init__(self, request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status=status)
        self.writer = request.writer
        head = status_line(status) + "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        self.data = f"{head}Content-Length: {len(body)}\r\nDate: {date(int(time.time()))}\r\n\r\n".encode() + body

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        await self.writer.write(self.data)
        await self.writer.drain()


@lru_cache(maxsize=64)
def status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=2)
def date(now: int) -> str:
    """The second as HTTP dates it; many answers share one."""
    return formatdate(now, usegmt=True)
