"""What two joined legs pass to each other: re-INVITE, UPDATE and INFO, each leg with its own offer/answer state.

    A -> INVITE hold-a
    A <- 100
    B <- INVITE hold-a
    B -> 200 held-b
    B <- ACK
    A <- 200 held-b
    A -> ACK

A re-INVITE without an offer is answered with what the leg knows already; a refusal passes back as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.call.payload_types import as_answer, as_offer
from c2c_b2bua.call.reinvite import not_told, offer_again, settle_down, tell, told
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.info import answer_info, pass_info
from c2c_b2bua.dialog.leg import UP
from c2c_b2bua.transaction.actions import Reply, Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call


def receive(call: Call, event: events.LegEvent, now: float) -> Work:
    """What a leg does while both talk."""
    leg, other = call.leg(event.leg), call.other(event.leg)
    match event:
        case events.Offered():
            return pass_offer(call, event, now)
        case events.OfferWanted():
            return leg.refuse(event.key, 491) if call.relay else offer_again(call, leg, event.key, now)
        case events.Reanswered():
            return pass_answer(call, event.leg, now)
        case events.Rerefused():
            return pass_refusal(call, event, now)
        case events.Acknowledged() | events.Refreshed():
            return told(call, event.leg, now) if event.moved else settle_down(call, event.leg, now)
        case events.Informed():
            if other.state != UP:
                return answer_info(leg, event.key, 481)
            return pass_info(other, event.request, event.key)
        case events.InformAnswered():
            return answer_info(other, event.key, event.response.status, event.response.reason)
    return []


def pass_offer(call: Call, event: events.Offered, now: float) -> Work:
    """An offer crosses to the other leg, if that is free for one."""
    leg, other = call.leg(event.leg), call.other(event.leg)
    if call.relay is not None or not other.can_offer or other.name in call.owed:
        return leg.refuse(event.key, 491)
    call.relay = (event.leg, event.key)
    work: Work = [Reply(event.key, event.request.response(100))] if event.request.method == "INVITE" else []
    method = event.request.method if other.takes_update else "INVITE"
    return [*work, *other.reoffer(as_offer(event.offer, other.media.local, other.remote), now, method)]


def pass_answer(call: Call, name: str, now: float) -> Work:
    """The answer of the leg that an offer was passed to goes back; without one it answers a re-INVITE of our own."""
    asked = relayed_to(call, name)
    if asked is None:
        return told(call, name, now)
    asking, key = asked
    leg, answer = call.leg(asking), call.leg(name).remote
    if key not in leg.pending or answer is None:
        # The phone took its offer back: whom it was passed to is told again how things are.
        call.owed |= {name}
        return tell(call, now)
    return leg.answer(key, as_answer(answer, leg.media.offered), now)


def pass_refusal(call: Call, event: events.Rerefused, now: float) -> Work:
    """A refusal goes back with its code; the session stays as it was on both legs."""
    asked = relayed_to(call, event.leg)
    if asked is None:
        return not_told(call, event, now)
    asking, key = asked
    leg = call.leg(asking)
    if key not in leg.pending:
        return []
    return [*leg.refuse(key, event.response.status, event.response.reason), *tell(call, now)]


def relayed_to(call: Call, name: str) -> tuple[str, str] | None:
    """The (leg, key) whose offer went to leg `name`; it is settled now."""
    relay = call.relay
    if relay is None or relay[0] == name:
        return None
    call.relay = None
    return relay
