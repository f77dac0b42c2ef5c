"""One call: two legs, what state they are in together, and the record of it.

    RINGING_A ── A answers ──> RINGING_B ── B answers ──> JOINING ── A knows B ──> BRIDGED
         └───────────────────────┴── anything ends it ──────┴──────────────────────┴──> ENDING ──> ENDED

How the legs come together is in `reinvite.py`, `delayed_offer.py`, `early_media.py`, what passes between them afterwards in
`bridge.py`. With `refer.py` it is REFERRING instead of RINGING_B; `transfer.py` leads from BRIDGED to TRANSFERRING and back.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from c2c_b2bua.call import bridge, delayed_offer, early_media, hunt, refer, reinvite, transfer
from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging, LegStays
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import CallRecord, EndedBy, LegRecord, leg_name
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.leg import DOWN, Leg
from c2c_b2bua.dialog.offer_answer import OfferAnswer
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.session_timer import EXPIRED
from c2c_b2bua.sdp import Origin, SessionDescription
from c2c_b2bua.sip.reason import Why, legible
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Forget, StartTimer, Work

RINGING_A, REFERRING, RINGING_B, JOINING, BRIDGED, TRANSFERRING, ENDING, ENDED = (
    "RINGING_A", "REFERRING", "RINGING_B", "JOINING", "BRIDGED", "TRANSFERRING", "ENDING", "ENDED",
)  # fmt: skip
RINGING = (RINGING_A, RINGING_B, TRANSFERRING)
OVER = (ENDING, ENDED)
NOBODY: frozenset[str] = frozenset()
"""One for all: what is left when the last is taken from a set has 216 bytes."""
NO_ANSWER = Why("NO_ANSWER", 408, "the ring timer ended")
OUT_OF_TIME = Why("ALLOTTED_TIMEOUT", None, "the call reached its longest duration")


class Call:
    """Takes the events of its two legs; `address` is ours, for descriptions that we make up."""

    __slots__ = ("a", "accepted_at", "address", "attempts", "b", "backing_off", "bridged_at", "early", "ended_at",
                 "ended_by", "failure", "groups", "id", "named", "offer", "order", "owed", "relay", "retries", "rivals",
                 "state", "tellings", "tokens", "transfer", "why")  # fmt: skip

    def __init__(self, order: CallOrder, tokens: Tokens, address: str, now: float) -> None:
        self.id = order.call_id
        self.order = order
        self.tokens = tokens
        self.address = address
        self.a = Leg(self.id, "a", order.a, tokens)
        self.b = Leg(self.id, "b", order.b, tokens)
        self.state = RINGING_A
        self.accepted_at = now
        self.bridged_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.why: Why | None = None
        self.owed: frozenset[str] = NOBODY
        """Legs that have yet to be told where the other one is."""
        self.backing_off: frozenset[str] = NOBODY
        """Legs whose re-INVITE met glare, and which are left alone for a while."""
        self.tellings = 0
        self.retries = 0
        self.relay: tuple[str, str] | None = None
        """(leg, key) of the re-INVITE or UPDATE that is being passed to the other leg."""
        self.rivals: tuple[Leg, ...] = ()
        """Legs that ring, or rang, beside `a` or `b`; named `a2`, `b3` …"""
        self.named = 1
        self.attempts: tuple[LegRecord, ...] = ()
        """What became of rivals."""
        self.groups: tuple[tuple[Party, ...], ...] = ()
        """Whom the side that is being rung can be reached by besides."""
        self.offer: SessionDescription | None = None
        self.early: SessionDescription | None = None
        """What B said of its media before it answered, where A shall hear it."""
        self.transfer: transfer.Transfer | None = None
        """One leg is being replaced by another."""
        self.failure: tuple[EndedBy, Why] | None = None
        """The best reason yet why the side that is being rung cannot be reached."""

    def leg(self, name: str) -> Leg:
        if name == "a":
            return self.a
        return self.b if name == "b" else next(leg for leg in self.rivals if leg.name == name)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All that have not been put aside."""
        return (self.a, self.b, *self.rivals)

    def other(self, name: str) -> Leg:
        return self.b if name == "a" else self.a

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: float) -> Work:
        """Ring A."""
        return [*reinvite.ring_a(self, now), StartTimer(self.id, "duration", now + self.order.max_duration)]

    def end(self, ended_by: EndedBy, why: Why, now: float) -> Work:
        """End both legs, whatever they are doing; the first reason stays."""
        if self.state in OVER:
            return self.ended_if_down(now)
        self.state = ENDING
        self.ended_by, self.why = ended_by, why
        self.relay = None
        self.groups = ()
        work = [*self.a.hang_up(why, now), *self.b.hang_up(why, now)]
        for leg in self.rivals:
            work += leg.hang_up(why, now)
        return work + self.ended_if_down(now)

    def ring_b(self, now: float) -> Work:
        """A is there: call the other one."""
        self.state = RINGING_B
        return reinvite.ring_b(self, now)

    def not_reached(self, ended_by: EndedBy, why: Why, now: float) -> Work:
        """Nobody of those that were rung took the call."""
        if self.transfer is not None:
            return transfer.failed(self, ended_by, why, now)
        return self.end(ended_by, why, now)

    def leave(self, leg: Leg, now: float) -> None:
        """The leg goes over to another call: what it was here stays, for the record."""
        kept = copy(leg)
        kept.state, kept.why, kept.ended_at = DOWN, transfer.JOINED, now
        kept.dialog, kept.session, kept.media = None, None, OfferAnswer()
        if leg.name == "a":
            self.a = kept
        else:
            self.b = kept

    def abandon(self, why: Why, now: float) -> Work:
        """End without waiting for the legs: nobody is left to carry their messages."""
        if self.state == ENDED:
            return []
        if self.state != ENDING:
            self.ended_by, self.why = "error", why
        for leg in self.legs:
            if leg.state != DOWN:
                leg.state, leg.why, leg.ended_at = DOWN, leg.why or self.why, now
        self.state = ENDING
        return self.ended_if_down(now)

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, event: events.LegEvent, now: float) -> Work:
        """Something happened to a leg."""
        taken = TAKEN.get(type(event))
        if taken is not None:
            return taken(self, event, now)
        if self.state in (BRIDGED, TRANSFERRING):
            return bridge.receive(self, event, now)
        if self.state == REFERRING:
            return refer.receive(self, event, now)
        return reinvite.receive(self, event, now) if self.state in (RINGING_B, JOINING) else []

    def rang(self, event: events.Ringing, now: float) -> Work:
        if self.transfer is not None:
            return transfer.told(self, 180)
        if self.rivals:
            rang = [leg for leg in self.legs if leg.name[0] == event.leg[0] and leg.ringing_at is not None]
            if len(rang) != 1:
                return []
        return [LegRinging(self.id, now, leg_name(event.leg))]

    def answered(self, event: events.Answered, now: float) -> Work:
        if self.state == RINGING_A:
            work = hunt.answered(self, event, now)
            work.append(LegAnswered(self.id, now, leg_name(event.leg)))
            if self.order.bridge == "refer":
                self.state = REFERRING
                return [*work, *refer.join(self, now)]
            return work + self.ring_b(now)
        if self.state == RINGING_B:
            self.state = JOINING
            work = hunt.answered(self, event, now)
            work.append(LegAnswered(self.id, now, leg_name(event.leg)))
            return work + reinvite.join(self, now)
        return transfer.answered(self, event, now) if self.state == TRANSFERRING else []

    def described(self, event: events.Described, now: float) -> Work:
        return early_media.described(self, event, now) if self.state == RINGING_B else []

    def refused(self, event: events.Refused, now: float) -> Work:
        if self.state in RINGING:
            return hunt.refused(self, event.leg, who_refused(event), event.why, now)
        return self.rival_gone(event, now) if len(event.leg) > 1 else self.end(who_refused(event), event.why, now)

    def rang_out(self, event: events.RangOut, now: float) -> Work:
        return hunt.rang_out(self, event.leg, NO_ANSWER, now) if self.state in RINGING else []

    def down(self, event: events.Down, now: float) -> Work:
        return self.rival_gone(event, now) if len(event.leg) > 1 else self.ended_if_down(now)

    def rival_gone(self, event: events.LegEvent, now: float) -> Work:
        for rival in self.rivals:
            if rival.name == event.leg:
                self.put_aside(rival)
        return self.ended_if_down(now)

    def put_aside(self, leg: Leg) -> None:
        """A rival is down: all that is left of it is its record."""
        self.rivals = tuple(rival for rival in self.rivals if rival is not leg)
        self.attempts += (leg_record(leg),)

    def hung_up(self, event: events.HungUp, now: float) -> Work:
        """A leg is gone. A who gives up while B rings cancelled the call; later it is an ordinary hang-up."""
        if len(event.leg) > 1:
            return self.rival_gone(event, now)
        why = event.why
        if event.is_local:
            return self.end("timer" if why == EXPIRED else "error", why, now)
        if self.transfer is not None and event.leg == self.transfer.leg:
            # It left the call to the one that is being rung.
            return []
        if self.state == REFERRING and self.a.referral is not None and self.a.referral.is_heard:
            why = refer.LOST_SIGHT
        elif self.state in (RINGING_B, REFERRING) and why.cause == "NORMAL_CLEARING":
            why = Why("ORIGINATOR_CANCEL", 487, why.text)
        return self.end("a" if event.leg == "a" else "b", why, now)

    def timer(self, name: str, now: float) -> Work:
        if self.state in OVER:
            return []
        if name == "duration":
            return self.end("timer", OUT_OF_TIME, now)
        if name.startswith("progress"):
            return hunt.no_progress(self, name, now)
        if name in ("first news", "last word"):
            return refer.timer(self, name, now) if self.state == REFERRING else []
        if name.startswith("patience"):
            return delayed_offer.out_of_patience(self, name, now)
        self.need_not_wait(name.removeprefix("glare "))
        return reinvite.tell(self, now)

    def owe_no_more(self, name: str) -> None:
        """The leg is being told where the other one is."""
        self.owed = self.owed - {name} or NOBODY

    def need_not_wait(self, name: str) -> None:
        """The leg need not be left alone any longer."""
        if self.backing_off:
            self.backing_off = self.backing_off - {name} or NOBODY

    def new_origin(self) -> Origin:
        """The o= of a session that we begin."""
        return Origin("c2c", str(self.tokens.number(2**31)), 1, self.address)

    # ── news ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def bridged(self, now: float) -> Work:
        """Both legs know each other."""
        self.state = BRIDGED
        self.bridged_at = now
        return [CallBridged(self.id, now)]

    def ended_if_down(self, now: float) -> Work:
        """The last word on the call, once both legs are down."""
        if self.state != ENDING or not (self.a.is_over and self.b.is_over):
            return []
        if self.rivals and not all(leg.is_over for leg in self.rivals):
            return []
        self.state = ENDED
        self.ended_at = now
        return [CallEnded(self.id, now, self.record()), Forget(self.id)]

    def news(self, kind: type[LegRinging | LegAnswered | LegStays], now: float, leg: str) -> CallNews:
        return kind(self.id, now, leg_name(leg))

    def record(self) -> CallRecord:
        """How the call stands, as history keeps it."""
        why = self.why
        return CallRecord(
            call_id=self.id,
            accepted_at=self.accepted_at,
            bridged_at=self.bridged_at,
            ended_at=self.ended_at,
            ended_by=self.ended_by,
            cause=why.cause if why else None,
            sip_code=(why.sip_code or (200 if self.bridged_at else None)) if why else None,
            reason=legible(why.text) if why else None,
            legs=[leg_record(leg) for leg in (self.a, self.b) if leg.invited_at is not None],
            attempts=[*self.attempts, *map(leg_record, self.rivals)],
        )


TAKEN: dict[type[events.LegEvent], Callable[[Call, Any, float], Work]] = {
    events.Ringing: Call.rang,
    events.Answered: Call.answered,
    events.Described: Call.described,
    events.TransferWanted: transfer.asked,
    events.Refused: Call.refused,
    events.RangOut: Call.rang_out,
    events.HungUp: Call.hung_up,
    events.Down: Call.down,
}
"""Event -> what it means to the call; what is not here is of the way that its legs come together, or of the bridge."""


def leg_record(leg: Leg) -> LegRecord:
    why = leg.why
    return LegRecord(
        leg=leg_name(leg.name),
        call_id=leg.key if leg.invite is not None or leg.peer is not None else "",
        target=leg.party.target,
        trunk=leg.party.trunk or None,
        invited_at=leg.invited_at,
        ringing_at=leg.ringing_at,
        answered_at=leg.answered_at,
        ended_at=leg.ended_at,
        sip_code=leg.sip_code,
        reason=legible(leg.sip_reason),
        cause=why.cause if why else None,
        uri=leg.party.uri,
        peer=peer_of(leg),
        trail=leg.trail,
        phrases=leg.phrases,
    )


def peer_of(leg: Leg) -> str | None:
    """Where the INVITE went last."""
    flow = leg.way
    return f"{flow.interface.transport} {flow.host} {flow.port}" if flow is not None else None


def who_refused(event: events.Refused) -> EndedBy:
    """The peer, unless it never said a word (timer) or could not be reached or understood (error)."""
    if not event.is_local:
        return leg_name(event.leg)
    return "timer" if event.why.sip_code == 408 else "error"
