"""A partner's web server: keeps what webhooks send to it, and answers as a test wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

PATIENCE = 10.0
"""Seconds until the next delivery."""


class Delivery:
    """One request."""

    def __init__(self, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.path = path
        self.headers = headers
        self.raw = raw
        self.body: dict[str, Any] = json.loads(raw)

    @property
    def state(self) -> str:
        return str(self.body["state"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def sequence(self) -> int:
        return int(self.headers["webhook-sequence"])

    def is_signed_with(self, secret: str) -> bool:
        """By Standard Webhooks, worked out anew."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.raw])
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(expected, self.headers["webhook-signature"])


class Receiver:
    """`async with Receiver()` listens; `answer` says what each delivery is answered, a status or something to await."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[Delivery] = asyncio.Queue()
        self.answer: Callable[[Delivery], int | Awaitable[int]] = lambda delivery: 200
        self.port = 0
        self.concurrent = 0
        self.most_concurrent = 0

    async def __aenter__(self) -> Self:
        self.runner = web.ServerRunner(web.Server(self.take), shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = int(self.runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/c2c"

    async def take(self, request: web.BaseRequest) -> web.Response:
        delivery = Delivery(request.path_qs, {n.lower(): v for n, v in request.headers.items()}, await request.read())
        self.concurrent += 1
        self.most_concurrent = max(self.concurrent, self.most_concurrent)
        self.received.put_nowait(delivery)
        try:
            answer = self.answer(delivery)
            status = answer if isinstance(answer, int) else await answer
        finally:
            self.concurrent -= 1
        return web.Response(status=status, headers={"Location": f"{self.url}/elsewhere"} if status // 100 == 3 else {})

    async def next(self) -> Delivery:
        """The next delivery."""
        async with asyncio.timeout(PATIENCE):
            return await self.received.get()

    async def several(self, count: int) -> list[Delivery]:
        return [await self.next() for _ in range(count)]
