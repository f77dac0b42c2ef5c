"""The `reinvite` way to bring two legs together: A is offered silence, B what A answered, A then what B answered.

    A <- INVITE held
    A -> 180
    A -> 200 answer-a
    A <- ACK
    B <- INVITE answer-a
    B -> 180
    B -> 200 answer-b
    B <- ACK
    A <- INVITE answer-b
    A -> 200 answer-a
    A <- ACK
    B -> BYE
    B <- 200
    A <- BYE
    A -> 200

Should A's second answer name another address, port or codec, B gets one re-INVITE with it. (RFC 3725 knows this as
a mix of flows I and IV; every INVITE carries a description, because carriers refuse those that do not.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.call import early_media, hunt
from c2c_b2bua.call.delayed_offer import give_answer, hold, wait_for_a, wait_for_b
from c2c_b2bua.call.payload_types import as_offer, holds_good
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.info import answer_info
from c2c_b2bua.dialog.leg import UP, Leg
from c2c_b2bua.sdp import SessionDescription, held_answer, held_offer, session_lines
from c2c_b2bua.sip.reason import Why, cause_of, legible
from c2c_b2bua.transaction.actions import StartTimer, Work

if TYPE_CHECKING:
    from c2c_b2bua.call.call import Call

NO_COMMON_MEDIA = Why("INCOMPATIBLE_DESTINATION", 488, "no stream or codec in common")
NOWHERE = frozenset({"0.0.0.0", "::"})
MAX_TELLINGS = 3
"""A learns of B, B of what A changed, A of what B changed thereupon; a pair that never settles is left as it is."""
MAX_RETRIES = 10


def ring_a(call: Call, now: float) -> Work:
    """A is offered our codecs, on hold: its phone rings, and nobody hears dead RTP."""
    return hunt.ring(call, "a", held_offer(call.new_origin(), call.address, call.order.codecs), now)


def ring_b(call: Call, now: float) -> Work:
    """B is offered what A answered, as if A were there to talk: the hold was only ours."""
    answer = call.a.described
    if answer is None or not answer.has_live_media:
        return call.end("error", NO_COMMON_MEDIA, now)
    work: Work = []
    if call.a.owed_ack is not None:
        work = hold(call) if call.order.b.delayed_offer else wait_for_b(call, now)
    offer = answer.with_direction("sendrecv").with_origin(call.new_origin())
    if NOWHERE.issuperset([offer.address_of(media) for media in offer.media]):
        # Some phones answer a hold so (RFC 2543); handed on, it would hold B. A tells its address in its second answer.
        offer = SessionDescription(offer.origin, session_lines(call.address), without_connection(offer).media)
    return work + hunt.ring(call, "b", offer, now)


def join(call: Call, now: float) -> Work:
    """B answered: A has to learn where B is, unless it did while B rang."""
    a, said = call.a, call.b.described
    call.tellings = 0
    if said is None or not said.has_live_media:
        return call.end("error", NO_COMMON_MEDIA, now)
    if early_media.is_told(call, said):
        return told(call, "a", now) if a.reinvite is None else []
    if a.owed_ack is not None and call.b.owed_ack is None:
        return [*give_answer(call, a, said), *told(call, "a", now)]
    call.owed |= {"a"}
    return [*wait_for_a(call, now), *tell(call, now)] if call.b.owed_ack is not None else tell(call, now)


def tell(call: Call, now: float) -> Work:
    """Send the re-INVITEs that are owed and can go now."""
    if not call.owed:
        return []
    work: Work = []
    for name in ("a", "b"):
        leg, other = call.leg(name), call.other(name)
        said = other.described or call.early
        if name in call.owed and name not in call.backing_off and call.relay is None and leg.can_offer and said:
            call.owe_no_more(name)
            call.tellings += 1
            offer = said if call.bridged_at else said.with_direction("sendrecv")
            work += leg.reoffer(as_offer(offer, leg.media.local, leg.remote), now)
    return work


def receive(call: Call, event: events.LegEvent, now: float) -> Work:
    """What a leg does before both know each other."""
    if type(event) is events.Reanswered:
        return told(call, event.leg, now)
    leg = call.leg(event.leg)
    match event:
        case events.Offered():
            if leg is call.b:
                return leg.refuse(event.key, 491)
            # Phones re-INVITE on their own as soon as they are up; they are kept on hold until B is there.
            origin = leg.media.local.origin if leg.media.local else call.new_origin()
            answer = held_answer(event.offer, origin, call.address, call.order.codecs)
            if not answer.has_live_media:
                return leg.refuse(event.key, 488)
            if call.b.described or call.early:
                call.owed |= {"a"}
            return [*leg.answer(event.key, answer, now), *settle_down(call, event.leg, now)]
        case events.OfferWanted():
            return offer_again(call, leg, event.key, now)
        case events.Acknowledged() | events.Refreshed():
            return settle_down(call, event.leg, now)
        case events.Rerefused():
            return not_told(call, event, now)
        case events.Informed():
            return answer_info(leg, event.key, 200)
    return []


def offer_again(call: Call, leg: Leg, key: str, now: float) -> Work:
    """A re-INVITE without an offer is offered what the leg was told last."""
    said = leg.media.local
    if not leg.can_offer or said is None:
        return leg.refuse(key, 491)
    return leg.offer_in_answer(key, said, now)


def settle_down(call: Call, name: str, now: float) -> Work:
    """The peer's own re-INVITE is over: what we owe it need not wait any longer."""
    call.need_not_wait(name)
    return tell(call, now)


def told(call: Call, name: str, now: float) -> Work:
    """A leg answered our re-INVITE; the other one must know if the answer moved address, port or codec."""
    leg, other = call.leg(name), call.other(name)
    work: Work = []
    if call.b.state != UP:
        return tell(call, now)
    if leg.remote is None or not leg.remote.has_live_media:
        return call.end("error", NO_COMMON_MEDIA, now)
    if other.owed_ack is not None:
        work += give_answer(call, other, leg.remote)
    if name == "a" and call.bridged_at is None:
        work += call.bridged(now)
    said = other.media.local
    if said is not None and not holds_good(said, other.remote, leg.remote) and call.tellings < MAX_TELLINGS:
        call.owed |= {other.name}
    return work + tell(call, now)


def not_told(call: Call, event: events.Rerefused, now: float) -> Work:
    """A leg refused our re-INVITE: once more after glare or while it is busy (§14.1, §14.2), else the two cannot talk."""
    status = event.response.status
    if call.b.state != UP and event.response.status != 491:
        return early_media.not_wanted(call)
    busy = status == 491 or (status == 500 and "Retry-After" in event.response.headers)
    if busy and call.retries < MAX_RETRIES:
        call.retries += 1
        call.tellings -= 1
        call.owed |= {event.leg}
        call.backing_off |= {event.leg}
        # We own the Call-ID of both legs, so ours is the longer of the two delays: 2.1 to 4 seconds in steps of 10 ms.
        delay = 2.1 + call.tokens.number(191) / 100
        return [StartTimer(call.id, f"glare {event.leg}", now + delay)]
    return call.end(
        "a" if event.leg == "a" else "b", Why(cause_of(status), status, legible(event.response.reason)), now
    )


def without_connection(description: SessionDescription) -> SessionDescription:
    """The streams without c= lines of their own."""
    media = tuple(
        type(part)(
            part.kind,
            part.port,
            part.ports,
            part.protocol,
            part.formats,
            tuple(line for line in part.lines if not line.startswith("c=")),
        )
        for part in description.media
    )
    return SessionDescription(description.origin, description.lines, media)
