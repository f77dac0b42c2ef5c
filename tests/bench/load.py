"""Posts one request over a few kept connections, as fast as a clock says or as fast as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
CONNECTIONS = 128


class Load:
    """`accepted` counts answers with 200, `refused` all others."""

    def __init__(self, port: int, path: str, token: str = "", verb: str = "POST", contact: str = "2002") -> None:
        body = b'{"data":{"contact":"%s"}}' % contact.encode() if verb == "POST" else b""
        self.request = (
            f"{verb} {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nX-Auth-Token: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.port = port
        self.accepted = 0
        self.refused = 0

    async def at(self, rate: float, seconds: float) -> float:
        """Offer `rate` requests a second; how many seconds that took."""
        started = time.perf_counter()
        moments = (started + number / rate for number in range(int(rate * seconds)))
        await asyncio.gather(*(self.post(moments) for _ in range(CONNECTIONS)))
        return time.perf_counter() - started

    async def flat_out(self, seconds: float) -> float:
        """Answers a second when each connection asks again as soon as it is answered."""
        started = time.perf_counter()
        before = self.accepted

        def until_late() -> Iterator[float]:
            while time.perf_counter() < started + seconds:
                yield 0.0

        moments = until_late()
        await asyncio.gather(*(self.post(moments) for _ in range(CONNECTIONS)))
        return (self.accepted - before) / (time.perf_counter() - started)

    async def post(self, moments: Iterator[float]) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        for moment in moments:
            wait = moment - time.perf_counter()
            if wait > 0.001:
                await asyncio.sleep(wait)
            writer.write(self.request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            if b" 200 " in head[:16]:
                self.accepted += 1
            else:
                self.refused += 1
        writer.close()
