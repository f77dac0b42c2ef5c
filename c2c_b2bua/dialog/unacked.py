"""A 2xx of ours that waits for its ACK, and is said again until it comes (RFC 3261 §13.3.1.4)."""

from __future__ import annotations

from c2c_b2bua.sip.message import Response
from c2c_b2bua.transaction.actions import Reply, StartTimer, Work
from c2c_b2bua.transaction.timings import T1, T2

PATIENCE = 64 * T1
"""How long we wait for what must come: the ACK after a 2xx, the final response after a CANCEL."""


class Unacked:
    """`key` is the server transaction's, `sequence` the CSeq of the re-INVITE; `wants_answer`: the 2xx made an offer."""

    __slots__ = ("deadline", "interval", "key", "response", "sequence", "timer", "wants_answer")

    def __init__(self, key: str, sequence: int, response: Response, wants_answer: bool, now: float) -> None:
        self.key = key
        self.sequence = sequence
        self.response = response
        self.wants_answer = wants_answer
        self.interval = T1
        self.deadline = now + PATIENCE
        self.timer = f"2xx {sequence}"

    def repeat(self, leg: str, now: float) -> Work:
        """Send it once more, and set the next time."""
        self.interval = min(2 * self.interval, T2)
        return [
            Reply(self.key, self.response),
            StartTimer(leg, self.timer, min(now + self.interval, self.deadline)),
        ]
