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
    places: dict[str, Trunk] = {}
    """The trunk that each leg is on, if any; and those that somebody was transferred to by."""
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
        self.places = {leg: way.trunk for leg, way in zip(LEGS, ways, strict=True) if way}

    def moves(self, leg: LegName, trunk: Trunk, now: float) -> None:
        """The leg is tried by another trunk, which may have been full by then: it is counted all the same."""
        self.places[leg].release()
        self.places[leg] = trunk
        trunk.take(now)

    def joins(self, trunk: Trunk) -> None:
        """One more trunk, which has counted it: somebody is called in the place of a leg."""
        self.places = {**self.places, f"transfer {len(self.places)}": trunk}

    def release(self) -> None:
        """Give back the places on trunks."""
        for trunk in self.places.values():
            trunk.release()
