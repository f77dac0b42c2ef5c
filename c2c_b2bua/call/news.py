"""What the core tells of a call as it goes: events for whoever ordered it."""

from __future__ import annotations

from c2c_b2bua.call.record import CallRecord, LegName
from c2c_b2bua.transaction.actions import Action


class CallNews(Action, frozen=True, gc=False):
    """Something happened to a call at time `at`."""

    call_id: str
    at: float


class LegRinging(CallNews, frozen=True, gc=False):
    """The first 18x of a leg."""

    leg: LegName


class LegAnswered(CallNews, frozen=True, gc=False):
    """The 2xx of a leg's INVITE."""

    leg: LegName


class CallBridged(CallNews, frozen=True, gc=False):
    """Both legs have each other's media address."""


class CallEnded(CallNews, frozen=True, gc=False):
    """Both legs are down; the record is complete and will not change."""

    record: CallRecord
