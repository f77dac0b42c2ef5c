"""The `refer` way: A is told to call B itself, and tells us how that goes (RFC 3515); our dialog with it then ends.

    A <- INVITE held
    A -> 180
    A -> 200 answer-a
    + Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY
    A <- ACK
    A <- REFER
    = Refer-To: <sip:2001@192.0.2.20:5080>
    A -> 202
    A -> NOTIFY 100
    A <- 200
    A -> NOTIFY 180
    A <- 200
    A -> NOTIFY 200
    A <- 200
    A <- BYE
    A -> 200

Only a phone whose 200 allows REFER is asked. One that refuses it, or sends no NOTIFY at once as it must, is joined by
`reinvite` instead; what it says of the REFER later is not listened to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.call import reinvite
from c2c_b2bua.call.delayed_offer import hold
from c2c_b2bua.call.news import LegAnswered, LegRinging
from c2c_b2bua.dialog import events, referral
from c2c_b2bua.dialog.leg import UP
from c2c_b2bua.sip.reason import Why, cause_of, legible
from c2c_b2bua.transaction.actions import StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call

FIRST_NEWS = 4.0
"""Seconds within which a phone that means it sends its first NOTIFY."""
HANDED_OVER = Why("BLIND_TRANSFER", None, "the phone calls by itself")
NO_LAST_WORD = Why("NO_ANSWER", 408, "the phone did not say in time how its call went")
LOST_SIGHT = Why("NORMAL_UNSPECIFIED", None, "the phone did not say how its call went")


def join(call: Call, now: float) -> Work:
    """A answered: tell it to call B, if it takes that; else call B ourselves."""
    held = hold(call) if call.a.owed_ack is not None else []
    if not call.a.takes_refer or call.a.owed_ack is not None:
        return [*held, *call.ring_b(now)]
    call.b.invited_at = now
    party = call.order.b
    work = referral.refer(call.a, party.uri, party.from_uri)
    return [*held, *work, StartTimer(call.id, "first news", now + FIRST_NEWS)]


def receive(call: Call, event: events.LegEvent, now: float) -> Work:
    """What A says while it calls B; offers of its own find it held, as while it is alone."""
    match event:
        case events.ReferAnswered() if event.status >= 300:
            return call_b_ourselves(call, now)
        case events.Notified():
            return told(call, event, now)
        case _:
            return reinvite.receive(call, event, now)


def told(call: Call, event: events.Notified, now: float) -> Work:
    """The phone says how its call goes (sipfrag, RFC 3515 §2.4.5): with B's final response our part is done."""
    b = call.b
    work: Work = []
    if 180 <= event.status < 200 and b.ringing_at is None:
        b.ringing_at = now
        work.append(call.news(LegRinging, now, "b"))
    if event.status < 200:
        return [*work, *call.end("a", LOST_SIGHT, now)] if event.is_last else work
    b.sip_code, b.sip_reason = event.status, event.reason
    if event.status >= 300:
        return [*work, *call.end("b", Why(cause_of(event.status), event.status, legible(event.reason)), now)]
    b.answered_at = now
    return [*work, call.news(LegAnswered, now, "b"), *call.bridged(now), *call.end("a", HANDED_OVER, now)]


def timer(call: Call, name: str, now: float) -> Work:
    """A does not do what it was told, or does not say how it went."""
    if name == "last word":
        return call.end("timer", NO_LAST_WORD, now)
    if call.a.referral is None or not call.a.referral.is_heard:
        return call_b_ourselves(call, now)
    return [StartTimer(call.id, "last word", now + call.order.b.ring_timeout)]


def call_b_ourselves(call: Call, now: float) -> Work:
    """The other way to the same end, unless A has hung up meanwhile."""
    if call.a.state != UP:
        return referral.leave(call.a, now)
    if call.a.referral is not None:
        call.a.referral.is_over = True
    call.b.invited_at = None
    return call.ring_b(now)
