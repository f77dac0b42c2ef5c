"""What was said on one leg, in six bytes a message: when, which way, the method and the status.

A trail is `bytes`, so that it can be kept and handed on as it is. Times are seconds since the leg was invited, as a
32-bit float: to the millisecond for four hours. A long trail keeps its beginning and its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

import msgspec

from c2c_b2bua.sip.phrases import REASON_PHRASES

ENTRY = Struct("<fH")
"""Seconds; status in 10 bits (0: a request), method in 4, whether we sent it, AGAIN."""
pack = ENTRY.pack
AGAIN = 1 << 15
"""Of a request: a retransmission. Of a response: nobody sent it, we concluded it (408 nothing came, 503 nothing went)."""
OURS = 1 << 14
METHODS = (
    "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO", "OPTIONS", "REFER", "NOTIFY", "REGISTER", "SUBSCRIBE",
    "MESSAGE", "PUBLISH", "another method",
)  # fmt: skip
GAP = 15
"""In place of a method: here as many messages are left out as the seconds say."""
FIRST, LAST = 40, 20
"""Entries that are kept of a trail that gets too long."""
LONGEST = (FIRST + 1 + 2 * LAST) * ENTRY.size


class Codes(dict[str, int]):
    """Method -> code; those of other methods are all the same."""

    def __init__(self, direction: int) -> None:
        super().__init__((method, place << 10 | direction) for place, method in enumerate(METHODS))

    def __missing__(self, method: str) -> int:
        return self[METHODS[-1]]


SENT, RECEIVED = Codes(OURS), Codes(0)
"""Method -> code of a request; that of its response is this, or'ed with the status."""


def shortened(trail: bytes) -> bytes:
    """The first and the last entries, and how many are missing between them."""
    size = ENTRY.size
    head, tail = trail[: FIRST * size], trail[-LAST * size :]
    middle = trail[FIRST * size : -LAST * size]
    seconds, code = ENTRY.unpack(middle[:size])
    has_gap = code >> 10 & 15 == GAP
    missing = len(middle) // size + (int(seconds) - 1 if has_gap else 0)
    return head + pack(missing, GAP << 10) + tail


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a leg, or what we concluded from there being none."""

    at: float
    """Seconds since the leg was invited."""
    method: str = ""
    """Of the request, or of the request that is answered; empty: `missing` messages are left out here."""
    status: int = 0
    """0: a request."""
    phrase: str = ""
    is_ours: bool = False
    is_local: bool = False
    """Nobody sent it: nothing came in time (408), or there was no way to send (503)."""
    times: int = 1
    """How often it came or went."""
    missing: int = 0


def read(trail: bytes, phrases: Mapping[int, str] | None = None) -> list[Step]:
    """The steps of a trail, repetitions counted where the first one stands; our ACK of a refusal is filled in."""
    found: list[Step] = []
    known: dict[int, int] = {}
    """Code -> where it stands, for what would be a repetition."""
    for seconds, flagged in ENTRY.iter_unpack(trail):
        again, code = bool(flagged & AGAIN), flagged & ~AGAIN
        place, status, is_ours = code >> 10 & 15, code & 1023, bool(code & OURS)
        if place == GAP:
            found.append(Step(at=found[-1].at if found else 0.0, missing=int(seconds)))
            known.clear()
            continue
        if code in known and again == (status == 0):
            where = known[code]
            found[where] = msgspec.structs.replace(found[where], times=found[where].times + 1)
            continue
        if not status:
            known = {other: where for other, where in known.items() if not belongs(other, place, is_ours)}
        known[code] = len(found)
        is_local = again and status > 0
        phrase = ((phrases or {}).get(status) or REASON_PHRASES.get(status, "")) if status else ""
        step = Step(at=seconds, method=METHODS[place], status=status, phrase=phrase, is_ours=is_ours, is_local=is_local)
        found.append(step)
        if status >= 300 and place == 0 and not is_ours and not is_local:
            found.append(Step(at=seconds, method="ACK", is_ours=True))
    return found


def belongs(code: int, place: int, is_ours: bool) -> bool:
    """Whether this is a response to a request that is sent anew, or its ACK: the next such is no repetition."""
    same_way = bool(code & OURS) == is_ours
    if code & 1023:
        return code >> 10 & 15 == place and not same_way
    return place == 0 and code >> 10 & 15 == 1 and same_way
