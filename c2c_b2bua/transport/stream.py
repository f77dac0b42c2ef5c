"""SIP over a stream: TCP, or TLS by asyncio's own (RFC 3261 §18.2.1, §18.3; keep-alives as RFC 5626 §3.5.1)."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import structlog

from c2c_b2bua.config import Limits
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.framing import PING, Framer

PONG = b"\r\n"
MAX_UNSENT = 4 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; beyond it the connection is closed."""

log = structlog.get_logger()


class Keeper(Protocol):
    """Whoever has the connections."""

    limits: Limits

    def receive(self, data: bytes, flow: Flow) -> None:
        """A whole message."""

    def opened(self, connection: StreamConnection) -> bool:
        """It stands; False: it is one too many."""

    def lost(self, connection: StreamConnection) -> None:
        """It is gone."""


class StreamConnection(asyncio.Protocol):
    """One connection, opened by us (to prove it is `name`) or by the peer; `number` tells it apart from all others.

    It is closed when nothing whole comes in time: a peer has `limits.message` seconds for its first message and for each
    from its first byte to its last, and `limits.idle` seconds between them.
    """

    def __init__(
        self, number: int, interface: Interface, keeper: Keeper, is_ours: bool = False, name: str = ""
    ) -> None:
        self.number = number
        self.interface = interface
        self.keeper = keeper
        self.is_ours = is_ours
        self.name = name
        self.framer = Framer()
        self.flow = Flow(interface, "", 0, number, name)
        self.transport: asyncio.Transport | None = None
        self.refused: OSError | None = None
        """Why it was not taken in."""
        self.has_spoken = is_ours
        self.opened_at = self.heard_at = 0.0
        self.began_at = 0.0
        """When the first byte of a message came that is not whole yet; 0.0: there is none."""
        self.watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.transport = cast(asyncio.Transport, transport)
        if peer is None:  # gone before it was looked at
            self.transport.abort()
            return
        self.flow = Flow(self.interface, peer[0], peer[1], self.number, self.name)
        self.loop = asyncio.get_running_loop()
        self.opened_at = self.heard_at = self.loop.time()
        if not self.keeper.opened(self):
            self.transport.abort()
            return
        self.check()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        try:
            for frame in self.framer.feed(data):
                self.began_at = 0.0
                self.has_spoken = True
                if frame is PING:
                    self.send(PONG)
                else:
                    self.keeper.receive(frame, self.flow)
        except SipError as error:
            self.close(error.reason)
        if self.framer.buffer:
            self.began_at = self.began_at or self.heard_at
        else:
            self.began_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watch is not None:
            self.watch.cancel()
        self.transport = None
        self.keeper.lost(self)

    # ── patience ─────────────────────────────────────────────────────────────────────────────────────────────────

    def deadline(self) -> tuple[float, str]:
        """When it is closed, and what is said then, if nothing comes."""
        limits = self.keeper.limits
        if self.began_at:
            return self.began_at + limits.message, "a message takes too long"
        if not self.has_spoken:
            return self.opened_at + limits.message, "no message"
        return self.heard_at + limits.idle, "idle"

    def check(self) -> None:
        """Close it when its time is over, else look again when it may be."""
        deadline, reason = self.deadline()
        left = deadline - self.loop.time()
        if left <= 0:
            self.close(reason)
        else:
            self.watch = self.loop.call_later(min(left, self.keeper.limits.message), self.check)

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, data: bytes) -> None:
        """Send one message."""
        self.write(data)

    def write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            log.warning("stream closed", peer=self.flow.host, reason="the peer does not read")
            self.transport.abort()

    def close(self, reason: str = "") -> None:
        """Close it; with a `reason` that the log is told of."""
        if self.transport is None:
            return
        if reason and not self.transport.is_closing():
            log.info("stream closed", transport=self.flow.transport, peer=self.flow.host, reason=reason)
        self.transport.close()
        if reason:
            # A peer that does not read would keep it half open.
            self.loop.call_later(self.keeper.limits.handshake, self.abort)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
