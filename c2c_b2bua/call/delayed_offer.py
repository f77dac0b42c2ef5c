"""Legs whose INVITE leaves the offer to the phone, because that is what the phone, or its carrier, wants (RFC 3725).

With such an A the ACK waits until B has answered, and both are joined without a re-INVITE (flow I):

    A <- INVITE
    A -> 180
    A -> 200 offer-a
    B <- INVITE offer-a
    B -> 180
    B -> 200 answer-b
    B <- ACK
    A <- ACK answer-b
    B -> BYE
    B <- 200
    A <- BYE
    A -> 200

A repeats its 200 meanwhile, and gives up after 64*T1 (RFC 3261 §13.3.1.4). When B takes longer, A is put on hold a
little earlier, and told where B is by a re-INVITE. So it is at once when B makes its own offer (flow III):

    A <- INVITE
    A -> 180
    A -> 200 offer-a
    A <- ACK held
    B <- INVITE
    B -> 180
    B -> 200 offer-b
    A <- INVITE offer-b
    A -> 200 answer-a
    A <- ACK
    B <- ACK answer-a
    B -> BYE
    B <- 200
    A <- BYE
    A -> 200

Who refuses an INVITE without an offer gets one with an offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from c2c_b2bua.call.payload_types import as_answer
from c2c_b2bua.dialog.leg import UP, Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.unacked import PATIENCE
from c2c_b2bua.sdp import SessionDescription, held_answer
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.transaction.actions import StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call

MARGIN = 4.0
"""Seconds before A stops waiting for its ACK."""
OFFER_WANTED = (400, 415, 421, 488, 501, 606)
"""What phones and carriers say to an INVITE that brings no offer, and they wish it did."""
ACK_IS_DUE = Why("NO_ANSWER", 408, "the first phone could not wait any longer")
ANSWER_IS_DUE = Why("RECOVERY_ON_TIMER_EXPIRE", 408, "the first phone did not answer our re-INVITE")


def wait_for_b(call: Call, now: float) -> Work:
    """A made an offer that B will answer; so long as A waits."""
    return [StartTimer(call.id, "patience a", now + PATIENCE - MARGIN)]


def wait_for_a(call: Call, now: float) -> Work:
    """B made an offer that A will answer; so long as B waits."""
    return [StartTimer(call.id, "patience b", now + PATIENCE - MARGIN)]


def out_of_patience(call: Call, timer: str, now: float) -> Work:
    """B has not answered yet: A is put on hold; a browser, which cannot be, is let go. Or A has not: both are."""
    if timer == "patience b":
        return call.end("error", ANSWER_IS_DUE, now) if call.b.owed_ack is not None else []
    if call.a.owed_ack is None or call.b.state == UP:
        return []
    return hold(call) or call.end("timer", ACK_IS_DUE, now)


def hold(call: Call) -> Work:
    """Answer the offer of A with silence, so that it waits for B; nothing if it made none that we can answer."""
    offer = call.a.described
    assert offer is not None
    answer = held_answer(offer, call.new_origin(), call.address, call.order.codecs)
    return call.a.answer_in_ack(answer) if answer.has_live_media else []


def give_answer(call: Call, leg: Leg, description: SessionDescription) -> Work:
    """Answer what a leg offered in its 2xx with what the other leg said."""
    answer = as_answer(description, leg.media.offered)
    return leg.answer_in_ack(answer.with_origin(call.new_origin()))


def with_offer(party: Party, why: Why) -> Party | None:
    """The same party, with an offer in its INVITE; None when that is not what it misses."""
    if not party.delayed_offer or why.sip_code not in OFFER_WANTED:
        return None
    return msgspec.structs.replace(party, delayed_offer=False)
