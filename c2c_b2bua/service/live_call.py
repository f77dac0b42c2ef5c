"""A call that goes on, as the service knows it."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec

from c2c_b2bua.call.record import LegName
from c2c_b2bua.service.listing import GREGORIAN
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.service.trunks import Trunk, Way

State = Literal["queued", "dialling", "ringing_a", "answered_a", "ringing_b", "bridged"]

LEGS: tuple[LegName, LegName] = ("a", "b")
NO_DETAILS: dict[str, Any] = {}
NO_PLACES: dict[LegName, Trunk] = {}
NOBODY_COMES: dict[LegName, Trunk | None] = {}
"""Nothing, for all calls: never added to."""


class LiveCall(msgspec.Struct, kw_only=True, eq=False):
    """`outcome` is set when what a waiting connect waits for has happened: "" or the cause of a failure."""

    history_id: str
    """32 hex, a UUID without its dashes."""
    account_id: str
    document_id: str
    call_id: str
    contact: str
    extension: str
    accepted_at: float
    details: dict[str, Any]
    """What the request said about the call, such as `metadata`; shown wherever the call is."""
    state: State = "dialling"
    expected_start: float | None = None
    """Of a call that waits for a trunk: when its first leg is probably rung; None: that cannot be told."""
    places: dict[LegName, Trunk] = {}
    """The trunk that each leg is on, if any."""
    coming: dict[LegName, Trunk | None] = msgspec.field(default_factory=lambda: NOBODY_COMES)
    """Legs that hand over to somebody who is being called, and the trunk that has counted that, if any."""
    outcome: asyncio.Future[str] | None = None
    settles_at: State | None = None
    """The state of the first leg that settles `outcome`."""

    def shown(self) -> dict[str, Any]:
        """As a history item, with the state it is in."""
        shown = {**self.item(), "state": self.state}
        if self.state == "queued":
            shown["expected_start"] = timestamp(self.expected_start)
        return shown

    def item(self) -> dict[str, Any]:
        """As a history item."""
        return {
            "id": self.history_id,
            "timestamp": int(self.accepted_at) + GREGORIAN,
            "contact": self.contact,
            "call_id": self.call_id,
            **self.details,
        }

    def reaches(self, state: State) -> None:
        """The call has come this far."""
        self.state = state
        if state == self.settles_at or state == "answered_a":
            self.settle("")

    def settle(self, cause: str) -> None:
        """Tell a waiting connect, unless it knows already."""
        if self.outcome and not self.outcome.done():
            self.outcome.set_result(cause)

    def takes(self, ways: tuple[Way | None, ...]) -> None:
        """It is on these trunks now, which have counted it."""
        self.places = {leg: way.trunk for leg, way in zip(LEGS, ways, strict=True) if way} or NO_PLACES

    def moves(self, leg: LegName, trunk: Trunk, now: float) -> None:
        """The leg is tried by another trunk, which may have been full by then: it is counted all the same."""
        self.places[leg].release()
        self.places[leg] = trunk
        trunk.take(now)

    def hands_over(self, leg: LegName, trunk: Trunk | None) -> None:
        """Somebody is called in the place of a leg, by this trunk, which has counted it."""
        self.stays(leg)
        self.coming = {**self.coming, leg: trunk}

    def stays(self, leg: LegName) -> None:
        """Whoever was called in the place of the leg did not take it."""
        if trunk := self.coming.pop(leg, None):
            trunk.release()

    def is_replaced(self, leg: LegName) -> None:
        """Whoever was called in the place of the leg has answered."""
        self.has_now(leg, self.coming.pop(leg))

    def joins(self, leg: LegName, second: LiveCall | None, was: LegName) -> None:
        """The leg is now the one that was this one of a second call."""
        self.has_now(leg, second.places.pop(was, None) if second is not None else None)

    def has_now(self, leg: LegName, trunk: Trunk | None) -> None:
        """The leg is on this trunk now, or on none."""
        if before := self.places.pop(leg, None):
            before.release()
        if trunk is not None:
            self.places = {**self.places, leg: trunk}

    def release(self) -> None:
        """Give back the places on trunks."""
        for trunk in (*self.places.values(), *self.coming.values()):
            if trunk is not None:
                trunk.release()
