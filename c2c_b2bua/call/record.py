"""What is kept of one call. Times are seconds since 1970 (UTC), as the engine's clock gives them; None: it did not happen."""

from __future__ import annotations

from typing import Literal

import msgspec

LegName = Literal["a", "b"]
EndedBy = Literal["a", "b", "api", "timer", "error"]


def leg_name(name: str) -> LegName:
    """The side that a leg called `a`, `b3` … is of."""
    return "a" if name[0] == "a" else "b"


class LegRecord(msgspec.Struct, kw_only=True):
    """One leg that was dialled."""

    leg: LegName
    call_id: str
    """The SIP Call-ID; `""` when it was the other leg's phone that called, told so by REFER."""
    target: str
    trunk: str | None = None
    invited_at: float | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    sip_code: int | None = None
    """The final response to the INVITE; 408 when our own ring timer ended it, 487 when we gave it up for another reason."""
    reason: str | None = None
    """Reason phrase of that response, or the text of the peer's Reason header."""
    cause: str | None = None
    """Q.850 word: `USER_BUSY`, `NO_ANSWER`, `NORMAL_CLEARING`, …"""
    uri: str | None = None
    """Request-URI of the INVITE."""
    peer: str | None = None
    """Where it went last: `UDP 192.0.2.10 5060`."""
    trail: bytes = b""
    """What was said, as `sip/trail.py` reads it."""
    phrases: dict[int, str] = {}
    """Status -> what the peer said with it, where that is not the usual phrase."""


class CallRecord(msgspec.Struct, kw_only=True):
    """One call; `legs` holds A, then B once B was dialled."""

    call_id: str
    accepted_at: float
    bridged_at: float | None = None
    ended_at: float | None = None
    ended_by: EndedBy | None = None
    cause: str | None = None
    """Why the call as a whole ended; `NORMAL_CLEARING` when somebody hung up a bridged call."""
    sip_code: int | None = None
    """The SIP code `cause` comes from."""
    reason: str | None = None
    legs: list[LegRecord] = []
    attempts: list[LegRecord] = []
    """Those that were rung too and did not become the leg: another phone answered, or another way was tried."""
