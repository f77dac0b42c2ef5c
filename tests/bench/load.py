"""Posts one request over kept connections, as fast as a clock says or as fast as it is answered. Costs a few µs for each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

LOOPBACK = "127.0.0.1"
CONNECTIONS = 64
"""At the beginning; more are made when all wait for an answer."""
MOST = 512
"""Connections; what is due when all of them wait, waits as well."""
PATIENCE = 5.0
"""Seconds that the last requests get to be answered."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.is_waiting = False
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only

    def send(self) -> None:
        self.is_waiting = True
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        if self.data:
            data = self.data + data
        head, blank, body = data.partition(b"\r\n\r\n")
        start = head.lower().find(b"\r\ncontent-length:")
        if not blank or (start >= 0 and len(body) < int(head[start + 17 :].split(b"\r\n", 1)[0])):
            self.data = data
            return
        self.data = b""
        self.is_waiting = False
        self.load.answered(self, int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost(self)


class Load:
    """`accepted` counts answers with 200, `refused` all others by their status; 0: the connection was lost or not made."""

    def __init__(self, port: int, path: str, token: str = "", verb: str = "POST", contact: str = "2002") -> None:
        body = b'{"data":{"contact":"%s"}}' % contact.encode() if verb == "POST" else b""
        self.request = (
            f"{verb} {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nX-Auth-Token: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.port = port
        self.accepted = 0
        self.refused: Counter[int] = Counter()
        self.rate = 0.0
        """Requests that are to be offered a second."""
        self.offered = 0
        self.waiting = 0
        """Due, and without a connection that is free."""
        self.longest = 0.0
        """Seconds that we came too late with one, by no fault of the server's."""
        self.idle: list[Connection] = []
        self.all: set[Connection] = set()
        self.opening: set[asyncio.Task[None]] = set()
        self.is_stopped = False
        self.again: Callable[[], bool] = lambda: False
        """Whether a connection that is answered shall ask once more at once."""
        self.changed = asyncio.Event()

    @property
    def unanswered(self) -> int:
        return self.offered - self.accepted - self.refused.total()

    def stop(self) -> None:
        """Make no more."""
        self.is_stopped = True
        self.changed.set()

    async def at(self, rate: float, seconds: float) -> float:
        """Offer `rate` requests a second; how many seconds that took, with the last answer."""
        self.rate = rate
        number = max(1, round(rate * seconds))
        await self.open(CONNECTIONS)
        started = time.perf_counter()
        before = self.offered
        while not self.is_stopped and (made := self.offered - before) < number:
            now = time.perf_counter() - started
            due = min(number, int(now * rate) + 1)
            if due > made:
                self.longest = max(self.longest, now - made / rate)
                for _ in range(due - made):
                    self.offer()
            await asyncio.sleep(max(0.001, due / rate - (time.perf_counter() - started)))
        await self.end(PATIENCE)
        return time.perf_counter() - started

    async def flat_out(self, seconds: float) -> float:
        """Answers a second when each connection asks again as soon as it is answered."""
        await self.open(CONNECTIONS)
        started = time.perf_counter()
        before = self.accepted
        self.again = lambda: time.perf_counter() < started + seconds and not self.is_stopped
        for _ in range(CONNECTIONS):
            self.offer()
        await asyncio.sleep(seconds)
        await self.end(PATIENCE)
        self.again = lambda: False
        return (self.accepted - before) / (time.perf_counter() - started)

    async def end(self, patience: float) -> None:
        """Wait for the answers that are to come, then hang up."""
        try:
            async with asyncio.timeout(patience):
                while self.unanswered:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            self.refused[0] += self.unanswered
        self.waiting = 0
        for task in self.opening:
            task.cancel()
        everyone, self.all, self.idle = self.all, set(), []
        for connection in everyone:
            connection.transport.abort()

    def offer(self) -> None:
        self.offered += 1
        if self.idle:
            self.idle.pop().send()
            return
        self.waiting += 1
        if len(self.all) + len(self.opening) < MOST:
            task = asyncio.get_running_loop().create_task(self.open(1))
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def open(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(number):
            try:
                _, connection = await loop.create_connection(lambda: Connection(self), LOOPBACK, self.port)
            except OSError:
                continue
            self.all.add(connection)
            self.use(connection)

    def use(self, connection: Connection) -> None:
        """Whoever waits is next."""
        if self.waiting:
            self.waiting -= 1
            connection.send()
        else:
            self.idle.append(connection)

    def answered(self, connection: Connection, status: int) -> None:
        if connection not in self.all:
            return
        if status == 200:
            self.accepted += 1
        else:
            self.refused[status] += 1
        if self.again():
            self.offered += 1
            connection.send()
            return
        self.use(connection)
        self.changed.set()

    def lost(self, connection: Connection) -> None:
        if connection not in self.all:
            return
        self.all.discard(connection)
        if connection.is_waiting:
            self.refused[0] += 1
        elif connection in self.idle:
            self.idle.remove(connection)
        self.changed.set()
