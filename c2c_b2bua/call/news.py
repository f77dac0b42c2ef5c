"""What the core tells of a call as it goes: events for whoever ordered it."""

from __future__ import annotations

import msgspec

from c2c_b2bua.call.record import CallRecord, LegName


class CallNews(msgspec.Struct, frozen=True):
    """Something happened to a call at time `at`; `record` is the call's own, as it stands."""

    call_id: str
    at: float
    record: CallRecord


class LegRinging(CallNews, frozen=True):
    """The first 18x of a leg."""

    leg: LegName


class LegAnswered(CallNews, frozen=True):
    """The 2xx of a leg's INVITE."""

    leg: LegName


class CallBridged(CallNews, frozen=True):
    """Both legs have each other's media address."""


class CallEnded(CallNews, frozen=True):
    """Both legs are down; the record is complete and will not change."""
