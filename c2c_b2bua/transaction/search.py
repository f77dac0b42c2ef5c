"""A request on its way to one of several targets (RFC 3263 §4.3).

INVITE -> first target       nothing for 4 s, or 503, or the stream breaks
INVITE -> second target      another transaction: a new branch; the first target rests for a while
       <- 180, 200           from the second: as always
       <- 180                from the first, after all: it is cancelled
       <- 200                from the first, after all: it is taken, and the second is cancelled
"""

from __future__ import annotations

import msgspec

from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.transaction.actions import SendRequest

PATIENCE = 4.0
"""Seconds without any response until the next target is tried: INVITE has then gone out four times over UDP."""
DEAD_FOR = 60.0
"""Seconds for which a target that failed is tried last."""
MAX_DEAD = 10_000
Place = tuple[str, str, int]


class Attempt(msgspec.Struct, frozen=True):
    """One more way a request may go."""

    flow: Flow
    after_stream: bool = False
    """The same peer over UDP: only the size of the request had it take TCP, which the peer did not (RFC 3261 §18.1.1)."""


class Search:
    """The targets left for one request, and the transactions it has become so far."""

    __slots__ = ("action", "cancel", "current", "heard", "is_over", "left", "rest")

    def __init__(self, action: SendRequest, rest: list[Attempt]) -> None:
        self.action = action
        self.rest = rest
        self.current = ""
        """Key of the client transaction that its user knows of."""
        self.left: list[str] = []
        """Keys of the transactions at targets that it has gone on from."""
        self.heard: set[str] = set()
        """Keys of the transactions that had a provisional response, so that CANCEL may go (§9.1)."""
        self.cancel: SendRequest | None = None
        """A CANCEL of the user that waits for the first response of the current target."""
        self.is_over = False
        """The user had its final response."""

    @property
    def has_more(self) -> bool:
        """Whether there is a target to go to when the current one is silent."""
        return any(not attempt.after_stream for attempt in self.rest)

    def next(self, is_unreachable: bool) -> Attempt | None:
        """Take the next attempt out of the list."""
        while self.rest:
            attempt = self.rest.pop(0)
            if is_unreachable or not attempt.after_stream:
                return attempt
        return None


class DeadTargets:
    """Targets that have failed lately."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until: dict[Place, float] = {}

    def add(self, flow: Flow, now: float, seconds: float = DEAD_FOR) -> None:
        if len(self.until) >= MAX_DEAD:
            self.until.clear()
        self.until[place_of(flow)] = now + seconds

    def remove(self, flow: Flow) -> None:
        """It has answered."""
        self.until.pop(place_of(flow), None)

    def last(self, flows: list[Flow], now: float) -> list[Flow]:
        """The same flows, those to dead targets behind the others."""
        if not self.until or len(flows) < 2:
            return flows
        return sorted(flows, key=lambda flow: self.until.get(place_of(flow), 0.0) > now)


def place_of(flow: Flow) -> Place:
    return (flow.transport, flow.host, flow.port)
