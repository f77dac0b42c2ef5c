"""One end of the socket between the desk and a worker: frames of a length and msgpack.

A write, and waking who reads it, costs as much as ten messages: what may wait goes with what is sent next. That counts
for news of thousands of calls, so that this is no `transport/link.py`, which hands sockets on and makes a system call of
each letter.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import msgspec
import structlog

from c2c_b2bua.workers.messages import Message

HEAD = struct.Struct(">I")
LONGEST = 64_000_000
"""Bytes of a frame; a longer one is none of ours."""

log = structlog.get_logger()
encode = msgspec.msgpack.Encoder().encode


class Link(asyncio.Protocol):
    """`hear` gets each message of the other end, in order; what it raises is logged, and the next one comes.

    `expected` is the union of the messages that may come. Something else breaks the link.
    """

    def __init__(self, expected: Any, hear: Callable[[Any], object]) -> None:
        self.decode = msgspec.msgpack.Decoder(expected).decode
        self.hear = hear
        self.lost = asyncio.Event()
        """Set: the other end is gone, or ours."""
        self.transport: asyncio.Transport | None = None
        self.came = b""
        self.unsent = bytearray()
        self.sent_at = 0.0
        """When something was sent last, by the loop's clock."""
        self.timer: asyncio.TimerHandle | None = None
        """Calls `flush`."""

    @classmethod
    async def over(cls, end: socket.socket, expected: Any, hear: Callable[[Any], object]) -> Link:
        """The link over a connected socket, which it owns from here on."""
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(expected, hear), sock=end)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.unsent.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.lost.set()

    def send(self, message: Message, patience: float = 0.0) -> None:
        """Have it sent after all before it, at once or so many seconds after what was sent last; not when the link is lost."""
        if self.transport is None:
            return
        body = encode(message)
        self.unsent += HEAD.pack(len(body))
        self.unsent += body
        if not patience:
            self.flush()
            return
        due = self.sent_at + patience
        if due <= self.loop.time():
            self.flush()
        elif self.timer is None or due < self.timer.when():
            if self.timer is not None:
                self.timer.cancel()
            self.timer = self.loop.call_at(due, self.come_due)

    def come_due(self) -> None:
        self.timer = None
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self.unsent and self.transport is not None:
            unsent, self.unsent = self.unsent, bytearray()
            self.sent_at = self.loop.time()
            self.transport.write(unsent)

    def close(self) -> None:
        """Send what is waiting, and no more."""
        if self.transport is not None:
            self.flush()
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.came:
            data = self.came + data
        at, view = 0, memoryview(data)
        while len(data) - at >= HEAD.size:
            (length,) = HEAD.unpack_from(data, at)
            if length > LONGEST:
                self.give_up(f"a frame of {length} bytes")
                return
            start = at + HEAD.size
            if len(data) < start + length:
                break
            at = start + length
            try:
                message = self.decode(view[start:at])
            except msgspec.DecodeError as error:
                self.give_up(str(error))
                return
            try:
                self.hear(message)
            except Exception:
                log.exception("failed over a message of another process", message=type(message).__name__)
        self.came = data[at:]

    def give_up(self, reason: str) -> None:
        log.error("link between processes broken", reason=reason)
        self.came = b""
        if self.transport is not None:
            self.transport.abort()
