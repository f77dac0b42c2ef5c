"""SIP over WebSocket, secure or not (RFC 7118): one message in each, text or binary; the protocol itself is `websockets`'."""

from __future__ import annotations

from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from c2c_b2bua.sip.flow import Interface
from c2c_b2bua.sip.framing import MAX_BODY, MAX_HEAD, PING
from c2c_b2bua.transport.stream import PONG, Keeper, StreamConnection

PING_EVERY = 25.0
"""Seconds between our pings: below the 30 s after which some proxies and NATs forget a connection."""
SIP = Subprotocol("sip")


class WebSocketConnection(StreamConnection):
    """A browser's connection; `origins` are the pages that may open one, empty: all. Who is no page sends no origin."""

    def __init__(self, number: int, interface: Interface, keeper: Keeper, origins: list[str]) -> None:
        super().__init__(number, interface, keeper)
        allowed = [Origin(origin) for origin in origins]
        self.protocol = ServerProtocol(
            origins=[*allowed, None] if allowed else None, subprotocols=[SIP], max_size=MAX_HEAD + MAX_BODY
        )
        self.parts: list[bytes] = []
        self.pinged_at = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        protocol = self.protocol
        protocol.receive_data(data)
        events = protocol.events_received()
        self.began_at = 0.0 if events else self.began_at or self.heard_at
        for event in events:
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            else:
                self.take(cast(Frame, event))
        self.flush()

    def take(self, frame: Frame) -> None:
        """A frame; control frames are the protocol's own affair."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self.parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message, self.parts = b"".join(self.parts), []
        self.has_spoken = True
        if message == PING:
            self.send(PONG)
        else:
            self.keeper.receive(message, self.flow)

    def eof_received(self) -> None:
        self.protocol.receive_eof()
        self.flush()

    def flush(self) -> None:
        """Write what the protocol has to say; it says when the connection is to be closed."""
        for data in self.protocol.data_to_send():
            if data:
                self.write(data)
            elif self.transport is not None:
                self.close()
        if self.protocol.close_expected() and self.transport is not None:
            self.loop.call_later(self.keeper.limits.handshake, self.abort)

    def deadline(self) -> tuple[float, str]:
        """A peer that answers no ping is gone; its keep-alive is ours, so that nobody has to be idle."""
        if self.protocol.state is not OPEN:
            return self.opened_at + self.keeper.limits.handshake, "no WebSocket handshake"
        deadline, reason = super().deadline()
        return min((deadline, reason), (self.heard_at + 2 * PING_EVERY, "no answer to a ping"))

    def check(self) -> None:
        now = self.loop.time()
        if self.protocol.state is OPEN and now - max(self.pinged_at, self.opened_at) >= PING_EVERY:
            self.pinged_at = now
            self.protocol.send_ping(b"")
            self.flush()
        super().check()

    @property
    def is_open(self) -> bool:
        return self.protocol.state is OPEN and super().is_open

    def send(self, data: bytes) -> None:
        """One message: text, unless it is no UTF-8."""
        if self.protocol.state is not OPEN:
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            self.protocol.send_binary(data)
        else:
            self.protocol.send_text(data)
        self.flush()
