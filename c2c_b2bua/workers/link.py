"""One end of the socket between the desk and a worker: frames of a length and msgpack.

uvloop gives all frames of one loop turn to the kernel at the end of that turn, in one write: for news of thousands of calls
that counts, so that this is no `transport/link.py`, which hands sockets on and makes a system call of each letter.
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
encoder = msgspec.msgpack.Encoder()


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
        self.came = bytearray()

    @classmethod
    async def over(cls, end: socket.socket, expected: Any, hear: Callable[[Any], object]) -> Link:
        """The link over a connected socket, which it owns from here on."""
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(expected, hear), sock=end)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.lost.set()

    def send(self, message: Message) -> None:
        """Have it sent; nothing happens when the link is lost."""
        if self.transport is None:
            return
        frame = bytearray(HEAD.size)
        encoder.encode_into(message, frame, HEAD.size)
        HEAD.pack_into(frame, 0, len(frame) - HEAD.size)
        self.transport.write(frame)

    def close(self) -> None:
        """Send what is waiting, and no more."""
        if self.transport is not None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        came = self.came
        came += data
        at = 0
        while len(came) - at >= HEAD.size:
            (length,) = HEAD.unpack_from(came, at)
            if length > LONGEST:
                self.give_up(f"a frame of {length} bytes")
                return
            start = at + HEAD.size
            if len(came) < start + length:
                break
            at = start + length
            try:
                message = self.decode(came[start:at])
            except msgspec.DecodeError as error:
                self.give_up(str(error))
                return
            try:
                self.hear(message)
            except Exception:
                log.exception("failed over a message of another process", message=type(message).__name__)
        del came[:at]

    def give_up(self, reason: str) -> None:
        log.error("link between processes broken", reason=reason)
        self.came.clear()
        if self.transport is not None:
            self.transport.abort()
