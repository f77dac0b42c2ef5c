"""What B plays before it answers (ringback, announcements) reaches A, where trunk or phone is set up so (RFC 3960).

    A <- INVITE held
    A -> 180
    A -> 200 answer-a
    A <- ACK
    B <- INVITE answer-a
    B -> 183 answer-b
    A <- INVITE answer-b
    A -> 200 answer-a
    A <- ACK
    B -> 200 answer-b
    B <- ACK
    B -> BYE
    B <- 200
    A <- BYE
    A -> 200

An A whose offer waits for its answer gets it in the ACK. No timer of B's is touched by this. When several phones ring at
once nobody's media is let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.call import hunt, reinvite
from c2c_b2bua.call.delayed_offer import give_answer
from c2c_b2bua.dialog import events
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.transaction.actions import Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call


def described(call: Call, event: events.Described, now: float) -> Work:
    """B says where its media comes from: so does A learn it."""
    said = event.description
    if not said.has_live_media or len(hunt.ringing(call, "b")) > 1:
        return []
    if call.early is not None and said.same_media(call.early):
        return []
    call.early = said
    if call.a.owed_ack is not None:
        return give_answer(call, call.a, said)
    call.owed |= {"a"}
    return reinvite.tell(call, now)


def is_told(call: Call, said: SessionDescription) -> bool:
    """Whether A knows already, or is being told, what B says in its answer."""
    return call.early is not None and "a" not in call.owed and said.same_media(call.early)


def not_wanted(call: Call) -> Work:
    """A refuses what B plays: it waits in silence until B answers."""
    call.early = None
    return []
