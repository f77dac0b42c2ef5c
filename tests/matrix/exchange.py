"""What a datagram says of itself, and how long an exchange may take: values that the reckoning is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from c2c_b2bua.sip.reason import cause_of
from tests.matrix.wire import Event

LIMIT = 32.0
"""64*T1: how long an exchange may stay unanswered."""
SOON = 1e-6
CAUSES = {
    302: "REDIRECTION_TO_NEW_DESTINATION",
    403: "CALL_REJECTED",
    404: "UNALLOCATED_NUMBER",
    407: "CALL_REJECTED",
    408: "RECOVERY_ON_TIMER_EXPIRE",
    480: "NO_USER_RESPONSE",
    481: "NORMAL_TEMPORARY_FAILURE",
    486: "USER_BUSY",
    488: "INCOMPATIBLE_DESTINATION",
    491: "NORMAL_UNSPECIFIED",
    500: "NORMAL_TEMPORARY_FAILURE",
    503: "NORMAL_TEMPORARY_FAILURE",
    504: "RECOVERY_ON_TIMER_EXPIRE",
    600: "USER_BUSY",
    603: "CALL_REJECTED",
}
AGAIN = (401, 407, 420, 421, 422)
"""Refusals after which the same is asked in other words, if we have any."""
GONE = (408, 481)
"""What a phone says inside a dialog that it does not know any more, or cannot reach (RFC 3261 §12.2.1.2)."""
CSEQ = re.compile(rb"\nCSeq: *(\d+) +(\w+)")
TO = re.compile(rb"\nTo:([^\r]*)")
CALL_ID = re.compile(rb"\nCall-ID: *(\S+)")
SESSION = re.compile(rb"\nSession-Expires: *(\d+)")


def cause(status: int) -> str:
    return CAUSES.get(status) or cause_of(status)


@dataclass
class Exchange:
    """A request of ours, or a 2xx of ours, that has to be answered or acknowledged."""

    opened: float
    bound: float
    closed: float | None = None
    is_asked_again: bool = False
    """It was refused in a way that makes us ask in other words."""

    def is_over_by(self, end: float) -> bool:
        return end <= self.opened + self.bound + SOON or (self.closed or end) <= self.opened + self.bound + SOON

    def is_due_at(self, at: float, margin: float = 0.0) -> bool:
        return self.closed in (None, at) and abs(self.opened + self.bound - margin - at) < SOON


@dataclass
class Head:
    """The start of a datagram: `status` is 0 for a request."""

    method: str
    status: int
    sequence: int
    tag: bytes
    call_id: str

    @classmethod
    def of(cls, data: bytes) -> Head:
        found, to, call_id = CSEQ.search(data), TO.search(data), CALL_ID.search(data)
        assert found and to and call_id
        status = int(data[8:11]) if data.startswith(b"SIP/2.0 ") else 0
        return cls(found[2].decode(), status, int(found[1]), to[1].partition(b";tag=")[2], call_id[1].decode())


def at_once(events: list[Event], place: int) -> Iterator[Event]:
    """What we do in the same moment, from here on."""
    for event in events[place:]:
        if event.at != events[place].at or (event.kind == "in" and event is not events[place]):
            return
        yield event


def invites(event: Event, phone: str) -> bool:
    """We make a phone ring."""
    datagram = event.datagram
    return (
        event.kind == "out" and datagram is not None and datagram.is_new and datagram.phone == phone
        and datagram.data.startswith(b"INVITE") and not Head.of(datagram.data).tag
    )  # fmt: skip
