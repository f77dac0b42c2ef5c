"""What the core tells of a call as it goes: events for whoever ordered it."""

from __future__ import annotations

from c2c_b2bua.call.record import CallRecord, LegName
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import Action


class CallNews(Action, frozen=True, gc=False):
    """Something happened to a call at time `at`."""

    call_id: str
    at: float


class LegRinging(CallNews, frozen=True, gc=False):
    """The first 18x of a leg."""

    leg: LegName


class LegFailed(CallNews, frozen=True, gc=False):
    """A trunk did not bring us to whom the leg calls; another one may be tried."""

    leg: LegName
    trunk: str
    why: Why
    is_local: bool
    """It did not say so itself: nothing came, nothing went, or we gave up."""


class LegRerouted(CallNews, frozen=True, gc=False):
    """The leg is now rung by another way."""

    leg: LegName
    trunk: str


class LegAnswered(CallNews, frozen=True, gc=False):
    """The 2xx of a leg's INVITE."""

    leg: LegName


class LegStays(CallNews, frozen=True, gc=False):
    """Nobody has come in its place: the leg wanted to hand over, and somebody was called for that."""

    leg: LegName


class LegJoined(CallNews, frozen=True, gc=False):
    """Another call has given one of its legs to this one, as `leg`; its own end follows."""

    leg: LegName
    second: str
    """The id of that call."""
    was: LegName
    """Which leg it was there."""


class TransferAsked(CallNews, frozen=True, gc=False):
    """The phone of a leg wants somebody else in its place: `transfer` or `refuse_transfer` with this `key` is waited for."""

    leg: LegName
    key: str
    target: str
    """A SIP URI, or whatever the phone has sent."""
    replaces: str
    """A dialog that the target shall give up for ours, as the Replaces header has it (RFC 3891); `""`: none."""


class CallBridged(CallNews, frozen=True, gc=False):
    """Both legs have each other's media address."""


class CallEnded(CallNews, frozen=True, gc=False):
    """Both legs are down; the record is complete and will not change."""

    record: CallRecord
