"""Ringing one side of a call: all parties of a group at once, the first answer wins; then perhaps another group.

    A <- INVITE held
    A2 <- INVITE held
    A2 -> 180
    A -> 180
    A2 -> 200 answer-a
    A2 <- ACK
    A <- CANCEL
    B <- INVITE answer-a
    A -> 200 CANCEL
    A -> 487 INVITE
    A <- ACK

The next group is tried when nobody of the one before said anything, or what they said was a fault of the way (5xx) and
not the word of whoever is called: nobody is rung again who was busy, declined, or did not pick up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.call.delayed_offer import with_offer
from c2c_b2bua.call.news import LegFailed, LegRerouted
from c2c_b2bua.call.record import leg_name
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.actions import KeepLeg
from c2c_b2bua.dialog.leg import DOWN, INVITING, RINGING, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.reason import ELSEWHERE, Why
from c2c_b2bua.transaction.actions import StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call
    from c2c_b2bua.call.record import EndedBy

NO_PROGRESS = 6.0
"""Seconds without any response after which another group is tried."""
NO_RESPONSE = Why("NO_USER_RESPONSE", 408, "no response")


def ring(call: Call, side: str, offer: SessionDescription, now: float) -> Work:
    """The first group of a side; `call.leg(side)` is the first of its parties."""
    order = call.order
    beside, instead = (order.a_beside, order.a_instead) if side == "a" else (order.b_beside, order.b_instead)
    if not beside and not instead and not call.leg(side).party.delayed_offer:
        return call.leg(side).ring(offer, now)
    call.groups, call.offer, call.failure = instead, offer, None
    return ring_group(call, side, [call.leg(side), *(new_leg(call, side, party) for party in beside)], now)


def ring_group(call: Call, side: str, legs: list[Leg], now: float) -> Work:
    assert call.offer is not None
    call.rivals += tuple(leg for leg in legs if leg is not call.leg(side))
    work: Work = []
    for leg in legs:
        work += [KeepLeg(leg), *leg.ring(call.offer.with_origin(call.new_origin()), now)]
    if call.groups:
        work.append(StartTimer(call.id, f"progress {side} {len(call.groups)}", now + NO_PROGRESS))
    return work


def ring_next_group(call: Call, side: str, now: float) -> Work:
    """Another way to the same party: the leg that failed is only an attempt now."""
    group, call.groups = call.groups[0], call.groups[1:]
    before = call.leg(side)
    legs = [new_leg(call, side, party) for party in group]
    if call.transfer is None:
        take_place(call, side, legs[0])
        if before.state == DOWN:
            call.put_aside(before)
    trunk = legs[0].party.trunk
    news: Work = [LegRerouted(call.id, now, leg_name(side), trunk)] if trunk else []
    return [*news, *ring_group(call, side, legs, now)]


def ring_with_offer(call: Call, refused: Leg, party: Party, now: float) -> Work:
    """The same party once more: it wants an offer in the INVITE. The refusal is only an attempt."""
    assert call.offer is not None
    side = refused.name[0]
    leg = new_leg(call, side, party)
    if refused is call.leg(side):
        take_place(call, side, leg)
    else:
        call.rivals += (leg,)
    call.put_aside(refused)
    return [KeepLeg(leg), *leg.ring(call.offer.with_origin(call.new_origin()), now)]


def answered(call: Call, event: events.Answered, now: float) -> Work:
    """One of them answered: it is the leg, the others stop ringing."""
    side = event.leg[0]
    if not call.rivals:
        call.groups, call.offer, call.failure = (), None, None
        return []
    winner = call.leg(event.leg)
    take_place(call, side, winner)
    call.groups, call.offer, call.failure = (), None, None
    return [action for leg in ringing(call, side) for action in leg.hang_up(ELSEWHERE, now)]


def refused(call: Call, name: str, ended_by: EndedBy, why: Why, now: float) -> Work:
    """One of them failed; the others ring on, unless nobody is to be asked any more (6xx)."""
    side, leg = name[0], call.leg(name)
    news = failed(call, leg, why, ended_by in ("timer", "error"), now)
    party = with_offer(leg.party, why) if leg.state == DOWN else None
    if party is not None:
        return [*news, *ring_with_offer(call, leg, party, now)]
    if call.failure is None or rank(why) < rank(call.failure[1]):
        call.failure = (ended_by, why)
    ended_by, why = call.failure
    others = ringing(call, side)
    if others and rank(why):
        if leg is call.leg(side):
            take_place(call, side, others[0])
        if leg.state == DOWN:
            call.put_aside(leg)
        return news
    if call.groups and may_try_again(why, [leg, *call.rivals]):
        return [*news, *ring_next_group(call, side, now)]
    return [*news, *call.not_reached(ended_by, why, now)]


def failed(call: Call, leg: Leg, why: Why, is_local: bool, now: float) -> Work:
    """News for whoever watches over trunks."""
    trunk = leg.party.trunk
    return [LegFailed(call.id, now, leg_name(leg.name), trunk, why, is_local)] if trunk else []


def rang_out(call: Call, name: str, why: Why, now: float) -> Work:
    """One of them did not answer in time."""
    return [*call.leg(name).hang_up(why, now), *refused(call, name, "timer", why, now)]


def no_progress(call: Call, timer: str, now: float) -> Work:
    """Nobody of the group has said anything yet: it may be that the way is broken, and there is another one."""
    _, side, left = timer.split()
    legs = ringing(call, side)
    if len(call.groups) != int(left) or not legs or any(leg.heard for leg in legs):
        return []
    work = [action for leg in legs for action in failed(call, leg, NO_RESPONSE, True, now)]
    work += [action for leg in legs for action in leg.hang_up(NO_RESPONSE, now)]
    call.failure = ("timer", NO_RESPONSE)
    return [*work, *ring_next_group(call, side, now)]


def ringing(call: Call, side: str) -> list[Leg]:
    """Those of a side whose INVITE has no final response yet."""
    return [leg for leg in call.legs if leg.name[0] == side and leg.state in (INVITING, RINGING)]


def take_place(call: Call, side: str, leg: Leg) -> None:
    """Make `leg` the one that the call knows by the name of its side."""
    before = call.leg(side)
    if leg is before:
        return
    before.name, leg.name = leg.name, side
    call.rivals = (*(rival for rival in call.rivals if rival is not leg), before)
    if side == "a":
        call.a = leg
    else:
        call.b = leg


def new_leg(call: Call, side: str, party: Party) -> Leg:
    call.named += 1
    return Leg(call.id, f"{side}{call.named}", party, call.tokens)


def rank(why: Why) -> int:
    """How much a failure says, the best first (RFC 3261 §16.7): 6xx, what whoever is called says, the way's faults."""
    code = why.sip_code or 500
    if code >= 600:
        return 0
    if code in (480, 486, 487):
        return 1
    return 3 if code >= 500 or code == 408 else 2


def may_try_again(why: Why, legs: list[Leg]) -> bool:
    """Whether another way makes sense: this one was at fault, and nobody has heard a phone ring in vain."""
    code = why.sip_code or 500
    return 500 <= code < 600 or (code == 408 and all(leg.ringing_at is None for leg in legs))
