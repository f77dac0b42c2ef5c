"""A call of a process that was killed goes on in this one, or is ended where it cannot.

    RINGING_A, RINGING_B     nobody waits for it any more: CANCEL to whom it rings, BYE to whom has answered; it is lost
    REFERRING                A is hung up; what it makes of it, nobody here hears
    TRANSFERRING             the two talk on, whoever was rung to replace one of them is cancelled
    JOINING, BRIDGED         goes on: offers that were open are made again under their branch, timers keep their time
    ENDING                   ends: BYE and CANCEL go out once more
    ENDED                    only phones are left that had said nothing when they were cancelled: they are told again

Whoever was up is asked, within half a minute, whether he still is: a BYE that came while nobody listened is long given up.
"""

from __future__ import annotations

import msgspec

from c2c_b2bua.call import hunt, reinvite
from c2c_b2bua.call.call import BRIDGED, ENDED, ENDING, JOINING, TRANSFERRING, Call
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.snapshot import KeptCall, changed, parties_of
from c2c_b2bua.dialog.leg import UP, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.revival import flow_at, revive
from c2c_b2bua.dialog.snapshot import place_of
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import StartTimer, Work
from c2c_b2bua.transaction.layer import TransactionLayer

LOST = Why("RECOVERY_ON_TIMER_EXPIRE", None, "the service was stopped while this call was being made")
PROBES = (5.0, 35.0)
"""Seconds within which whoever was up is asked whether he still is, at some moment, so that not all are at once."""
PROBES_OF_STREAMS = (25.0, 35.0)
"""The same for phones that had connected to us, and need a while to do so again."""
GLARE = (2.1, 4.0)


def revived(found: KeptCall, layer: TransactionLayer, now: float) -> tuple[Call, list[Leg], Work]:
    """The call, the legs that linger, and what is to be done for them all once they are known.

    SipError when one of them cannot be reached any more.
    """
    order, kept = in_place(found.order, layer.interfaces), found.snapshot
    call = Call(order, layer.tokens, kept.address, kept.accepted_at)
    parties = parties_of(order)
    legs: list[Leg] = []
    work: Work = []
    for one in (*kept.legs, *kept.lingering):
        leg, resumed = revive(one, found.agreed.get(one.name), order.call_id, parties, layer, now)
        legs.append(leg)
        work += resumed
    if kept.legs:
        # A `b` that nobody has rung yet is as it was made.
        call.a, call.b = (*legs[: len(kept.legs)], call.b)[:2]
        call.rivals = tuple(legs[2 : len(kept.legs)])
    call.state, call.bridged_at, call.ended_by, call.why = kept.state, kept.bridged_at, kept.ended_by, kept.why
    call.owed, call.backing_off = frozenset(kept.owed), frozenset(kept.backing_off)
    call.tellings, call.retries, call.named, call.attempts = kept.tellings, kept.retries, kept.named, kept.attempts
    call.early = kept.early
    if kept.relay is not None and kept.relay[1] in call.leg(kept.relay[0]).pending:
        call.relay = kept.relay
    return call, legs[len(kept.legs) :], work


def in_place(order: CallOrder, interfaces: Interfaces) -> CallOrder:
    """The order with the flows of phones as they are now."""
    if all(party.flow is None for party in parties_of(order)):
        return order

    def here(party: Party) -> Party:
        if party.flow is None:
            return party
        return msgspec.structs.replace(party, flow=flow_at(place_of(party.flow), interfaces))

    return changed(order, here)


def resume(call: Call, layer: TransactionLayer, now: float) -> Work:
    """Have a call go on whose legs are known again."""
    if call.state in (ENDING, ENDED):
        return call.ended_if_down(now)
    if call.state == TRANSFERRING and call.a.state == call.b.state == UP:
        call.state = BRIDGED
    if call.state not in (JOINING, BRIDGED):
        return call.end("error", LOST, now)
    work: Work = [StartTimer(call.id, "duration", call.accepted_at + call.order.max_duration)]
    work += [action for side in "ab" for leg in hunt.ringing(call, side) for action in leg.hang_up(LOST, now)]
    if call.state == JOINING and call.a.reinvite is None:
        call.owed |= {"a"}
    for name in call.backing_off:
        work.append(StartTimer(call.id, f"glare {name}", now + pause(layer, GLARE)))
    for leg in (call.a, call.b):
        if leg.state == UP:
            is_stream = leg.party.flow is not None and leg.party.flow.is_reliable
            work.append(StartTimer(leg.key, "probe", now + pause(layer, PROBES_OF_STREAMS if is_stream else PROBES)))
    return [*work, *reinvite.tell(call, now)]


def pause(layer: TransactionLayer, between: tuple[float, float]) -> float:
    """A moment between two, in steps of 10 ms."""
    first, last = between
    return first + layer.tokens.number(int(100 * (last - first)) + 1) / 100
