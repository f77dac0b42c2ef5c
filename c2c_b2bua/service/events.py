"""What is told of a call to those outside: four moments of it, in nobody's dialect."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from c2c_b2bua.call.record import CallRecord

Kind = Literal["ringing", "answered", "ended", "recorded"]
"""The first phone rings; both talk; the call is over; and, right after that, its record."""
KINDS: tuple[Kind, ...] = get_args(Kind)
encoder = msgspec.json.Encoder()


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One moment of one call; times in seconds since 1970."""

    kind: Kind
    at: float
    account_id: str
    history_id: str
    call_id: str
    contact: str
    extension: str
    accepted_at: float
    details: dict[str, Any] = {}
    """What the request said about the call, such as `metadata`."""
    record: CallRecord | None = None
    """With `recorded`."""

    @property
    def sequence(self) -> int:
        """Its place in its call: what comes later has a higher one, what did not happen leaves its own out."""
        return KINDS.index(self.kind) + 1

    @property
    def id(self) -> str:
        """The same however often the event is sent."""
        return f"{self.history_id}-{self.sequence}"

    def encoded(self) -> str:
        """As JSON, for `decoded`."""
        return encoder.encode(self).decode()


decoded = msgspec.json.Decoder(CallEvent).decode
