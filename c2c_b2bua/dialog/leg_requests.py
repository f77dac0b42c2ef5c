"""What the peer asks inside a leg's dialog (RFC 3261 §8.2, §12.2.2, §14.2, §15.1.2; RFC 3311, RFC 6086)."""

from __future__ import annotations

from c2c_b2bua.dialog import referral
from c2c_b2bua.dialog.early import is_early
from c2c_b2bua.dialog.events import Acknowledged, Described, HungUp, Informed, Offered, OfferWanted
from c2c_b2bua.dialog.extensions import ALLOW, bad_extension, introduce, unsupported
from c2c_b2bua.dialog.leg import DOWN, ENDING, INVITING, RINGING, UP, Leg
from c2c_b2bua.dialog.leg_refresh import grant, learn_methods
from c2c_b2bua.dialog.session_timer import too_brief
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import HUNG_UP, Why, said_in
from c2c_b2bua.transaction.actions import Reply, Work

KNOWN_METHODS = frozenset({
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE",
    "MESSAGE", "PUBLISH",
})  # fmt: skip
ALLOWED = frozenset(ALLOW.split(", "))


def is_of_dialog(leg: Leg, request: Request) -> bool:
    """Whether both tags name a dialog of the leg (§12.2.2); a peer of RFC 2543 may have none."""
    dialog = leg.dialog
    if dialog is None:
        return is_early(leg, request)
    return (request.from_tag or "") == dialog.remote_tag and request.to_tag == leg.tag


def receive_request(leg: Leg, key: str, request: Request, now: float) -> Work:
    """A request inside the dialog, with the key of its server transaction."""
    dialog = leg.dialog
    if dialog is None:
        return updated_early(leg, key, request)
    if not dialog.is_in_order(request):
        return [Reply(key, request.response(500, "CSeq out of order"))]
    if request.method == "BYE":
        return hung_up(leg, key, request, now)
    if request.method == "NOTIFY" and leg.state in (UP, ENDING):
        return referral.notified(leg, key, request, now)
    if leg.state != UP:
        return [Reply(key, request.response(481))]
    if request.method not in ALLOWED:
        response = request.response(405 if request.method in KNOWN_METHODS else 501)
        response.headers["Allow"] = [ALLOW]
        return [Reply(key, response)]
    strange = unsupported(request)
    if strange:
        return [Reply(key, bad_extension(request, strange))]
    match request.method:
        case "INVITE" | "UPDATE":
            return offered(leg, key, request, now)
        case "INFO":
            leg.hold(key, request)
            return [Informed(leg.call, leg.name, key, request)]
        case "REFER":
            return referral.referred(leg, key, request)
        case "OPTIONS":
            response = introduce(request.response(200))
            response.headers["Accept"] = ["application/sdp"]
            return [Reply(key, response)]
    # A PRACK: all we ever say provisionally is 100, which is never reliable (RFC 3262 §3).
    return [Reply(key, request.response(481))]


def hung_up(leg: Leg, key: str, request: Request, now: float) -> Work:
    """A BYE ends the dialog even where we refuse it (§15.1.1); when ours is under way too, its answer is waited for."""
    strange = unsupported(request)
    reply = Reply(key, bad_extension(request, strange) if strange else request.response(200))
    if leg.state in (ENDING, DOWN):
        return [reply]
    leg.why = said_in(request) or HUNG_UP
    if leg.referral is not None and not leg.referral.is_over:
        return [reply, *referral.hung_up(leg, leg.referral, leg.why, now)]
    return [reply, *leg.down(now, HungUp(leg.call, leg.name, leg.why, False))]


def offered(leg: Leg, key: str, request: Request, now: float) -> Work:
    """re-INVITE or UPDATE: a new target, and an offer, a wish for one, or (UPDATE) nothing."""
    assert leg.dialog is not None
    is_invite = request.method == "INVITE"
    media = leg.media
    try:
        if is_invite and (leg.reinvite is not None or leg.unacked is not None or has_pending(leg, "INVITE")):
            raise SipError("Request Pending", 491 if leg.reinvite is not None else 500)
        if not is_invite and has_pending(leg, "UPDATE"):
            raise SipError("the last UPDATE is not answered yet", 500)
        brief = too_brief(request)
        if brief is not None:
            return [Reply(key, brief)]
        _ = request.contact  # the target moves there once the request is accepted (RFC 6141 §4)
        learn_methods(leg, request)
        has_offer = describes_media(request)
        if not has_offer and not is_invite:
            leg.dialog.refresh(request)
            response = accepting(request)
            return [*grant(leg, request, response, now), Reply(key, response)]
        if not has_offer:
            request.body = b""  # at most something that may be ignored
            leg.hold(key, request)
            return [OfferWanted(leg.call, leg.name, key, request)]
        offer = SessionDescription.parse(request.body)
        media.ask(offer)
    except SipError as error:
        return [Reply(key, refusal(leg, request, error))]
    leg.hold(key, request)
    return [Offered(leg.call, leg.name, key, request, offer)]


def updated_early(leg: Leg, key: str, request: Request) -> Work:
    """UPDATE of a fork that has not answered yet (RFC 3311 §5.2): nobody has to be asked, it hears what it was told.

    An offer has to wait until our own was answered reliably (RFC 6337 §2.2); all else is of any fork, however it rang.
    """
    fork = leg.forks.get(request.from_tag or "")
    dialog = fork.dialog if fork is not None else None
    if leg.state not in (INVITING, RINGING):
        return [Reply(key, request.response(481))]
    if dialog is not None and not dialog.is_in_order(request):
        return [Reply(key, request.response(500, "CSeq out of order"))]
    strange = unsupported(request)
    if strange:
        return [Reply(key, bad_extension(request, strange))]
    news: Work = []
    try:
        _ = request.contact
        response = accepting(request)
        if describes_media(request):
            if fork is None or not fork.has_answered:
                raise SipError("Request Pending", 491)
            offer = SessionDescription.parse(request.body)
            response.headers["Content-Type"] = ["application/sdp"]
            response.body = bytes(leg.media.repeat(offer))
            fork.body = request.body
            if leg.party.early_media and leg.state == RINGING:
                news = [Described(leg.call, leg.name, offer)]
        if dialog is not None:
            dialog.refresh(request)
        learn_methods(leg, request)
    except SipError as error:
        return [Reply(key, refusal(leg, request, error))]
    return [Reply(key, response), *news]


def accepting(request: Request) -> Response:
    """A 200 that makes our Contact the peer's target."""
    assert request.flow is not None
    response = introduce(request.response(200))
    response.headers["Contact"] = [request.flow.interface.contact]
    return response


def refusal(leg: Leg, request: Request, error: SipError) -> Response:
    """The response that an error deserves, with what it has to say besides (§14.2, §21.4.13)."""
    response = request.response(error.status, "" if error.status == 491 else error.reason)
    if error.status == 500:
        response.headers["Retry-After"] = [str(leg.tokens.number(11))]
    if error.status == 415:
        response.headers["Accept"] = ["application/sdp"]
        response.headers["Accept-Encoding"] = ["identity"]
    return response


def describes_media(request: Request) -> bool:
    """Whether a request brings a description. SipError 415 for a body that we cannot read and may not ignore (§8.2.3)."""
    if not request.body:
        return False
    encoding = request.get("Content-Encoding") or "identity"
    if request.content_type == "application/sdp" and encoding.lower() == "identity":
        return True
    disposition = (request.get("Content-Disposition") or "").lower().replace(" ", "")
    if "handling=optional" in disposition:
        return False
    raise SipError(f"{request.content_type or 'a body without a type'} in {encoding} is not understood here", 415)


def has_pending(leg: Leg, method: str) -> bool:
    return any(request.method == method for request in leg.pending.values())


def acknowledged(leg: Leg, request: Request, now: float) -> Work:
    """The ACK to a 2xx of ours; it may bring the answer to the offer we made there."""
    unacked = leg.unacked
    if unacked is None or unacked.sequence != request.cseq.number:
        return []
    leg.unacked = None
    if not unacked.wants_answer:
        return [Acknowledged(leg.call, leg.name, False)]
    try:
        leg.media.answered(SessionDescription.parse(request.body))
    except SipError as error:
        return leg.break_off(Why("INCOMPATIBLE_DESTINATION", 488, error.reason))
    return [Acknowledged(leg.call, leg.name, True)]


def cancelled(leg: Leg, key: str) -> Work:
    """A CANCEL for a re-INVITE that we have not answered yet (§9.2)."""
    return leg.refuse(key, 487) if key in leg.pending else []
