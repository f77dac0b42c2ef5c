"""SIP over TCP: a connection that cuts its bytes into messages (RFC 3261 §18.3), and keeps alive (RFC 5626 §3.5.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import structlog

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.framing import PING, Framer

PONG = b"\r\n"
MAX_UNSENT = 4 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; beyond it the connection is closed."""

log = structlog.get_logger()


class StreamConnection(asyncio.Protocol):
    """One connection, opened by us or by the peer; `number` tells it apart from all others of the engine."""

    def __init__(
        self,
        number: int,
        interface: Interface,
        receive: Callable[[bytes, Flow], None],
        opened: Callable[[StreamConnection], None],
        lost: Callable[[StreamConnection], None],
    ) -> None:
        self.number = number
        self.interface = interface
        self.receive = receive
        self.opened = opened
        self.lost = lost
        self.framer = Framer()
        self.flow = Flow(interface, "", 0, number)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.flow = Flow(self.interface, peer[0], peer[1], self.number)
        self.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self.framer.feed(data):
                if frame is PING:
                    self.send(PONG)
                else:
                    self.receive(frame, self.flow)
        except SipError as error:
            log.warning("stream closed", peer=self.flow.host, reason=error.reason)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.lost(self)

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, data: bytes) -> None:
        if self.transport is None:
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            log.warning("stream closed", peer=self.flow.host, reason="the peer does not read")
            self.transport.abort()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
