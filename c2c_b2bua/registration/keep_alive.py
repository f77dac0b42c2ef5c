"""Datagrams that keep the way to phones behind a NAT open; RFC 5626 §3.5.2 leaves it to the phones, and not all do."""

from __future__ import annotations

from zlib import crc32

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.transaction.actions import Send, Work

DATA = b"\r\n\r\n"
"""No message: whoever gets it ignores it (RFC 3261 §7.5)."""


class KeepAlive:
    """Every flow has its turn once in `interval` seconds; 0: none has. `is_running`: somebody calls `turn` every second."""

    __slots__ = ("interval", "is_running", "turns")

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.turns: list[dict[tuple[str, int], Flow]] = [{} for _ in range(interval)]
        self.is_running = False

    def add(self, flow: Flow) -> None:
        if self.interval:
            self.turns[self.slot(flow)][flow.host, flow.port] = flow

    def drop(self, flow: Flow) -> None:
        if self.interval:
            self.turns[self.slot(flow)].pop((flow.host, flow.port), None)

    def stop(self) -> None:
        """Nobody has a turn any more."""
        for turn in self.turns:
            turn.clear()

    def slot(self, flow: Flow) -> int:
        return crc32(f"{flow.host}:{flow.port}".encode()) % self.interval

    @property
    def is_needed(self) -> bool:
        return any(self.turns)

    def turn(self, now: float) -> Work:
        """What goes in this second."""
        return [Send(DATA, flow) for flow in self.turns[int(now) % self.interval].values()]
