"""What the peer of a leg answers: to its INVITE, its re-INVITE, its BYE (RFC 3261 §12.1, §13.2.2, §14.1, §22)."""

from __future__ import annotations

from contextlib import suppress

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.authentication import HEADERS
from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.early import listen
from c2c_b2bua.dialog.extensions import STANDARD, Terms
from c2c_b2bua.dialog.invitation import shorten_answered
from c2c_b2bua.dialog.leg import CANCELLING, DOWN, ENDING, INVITING, NO_FORKS, RINGING, UP, Leg
from c2c_b2bua.dialog.leg_refresh import agree, learn_methods, not_refreshed, tend
from c2c_b2bua.dialog.referral import refer_response
from c2c_b2bua.dialog.session_timer import SessionTimer
from c2c_b2bua.sdp import SessionDescription, declined
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import Why, cause_of, why_of
from c2c_b2bua.transaction.actions import SendRequest, Work

AGAIN = {*HEADERS, 420, 421, 422}
OK = "OK"
"""One for all who say what nearly everybody says."""
NO_UPDATE = (405, 501)
GONE = (408, 481)
"""The peer does not know the dialog any more, or cannot be reached (§12.2.1.2)."""


def receive_response(leg: Leg, request: Request, response: Response, is_local: bool, now: float) -> Work:
    """A response to a request of this leg. `is_local`: ours, because nothing came (408) or went (503)."""
    status = response.status
    if status in AGAIN and leg.state != DOWN:
        again = try_again(leg, request, response)
        if again:
            return again
    if request is leg.invite:
        if status < 200:
            return provisional(leg, response, now)
        if status < 300:
            return accepted(leg, request, response, now)
        return invite_refused(leg, response, is_local, now)
    if request is leg.probe and status >= 200:
        leg.probe = None
        if is_local and leg.state == UP:
            leg.refresh = leg.reinvite = None
            return leg.break_off(why_of(status, response, response.reason))
    if request is leg.reinvite:
        return reinvite_response(leg, request, response, now)
    if request.method == "INVITE" and 200 <= status < 300:
        return (accepted if is_first(request) else reinvite_response)(leg, request, response, now)
    if request is leg.refresh:
        return update_response(leg, response, now)
    if request is leg.bye and response.status >= 200:
        leg.bye = None
        return leg.down(now, events.Down(leg.call, leg.name))
    if leg.referral is not None and request is leg.referral.request:
        if response.status in GONE and not is_local and leg.state == UP:
            return leg.break_off(why_of(response.status, response, response.reason))
        return refer_response(leg, response)
    if request.method == "INFO" and response.status >= 200:
        key = leg.informs.pop(request.cseq.number, "")
        told: Work = [events.InformAnswered(leg.call, leg.name, key, response)]
        if response.status not in GONE or leg.state != UP:
            return told
        return [*told, *leg.break_off(why_of(response.status, response, response.reason))]
    return []


def invite_refused(leg: Leg, response: Response, is_local: bool, now: float) -> Work:
    status = response.status
    if leg.state not in (INVITING, RINGING, CANCELLING):
        return []
    if leg.state == CANCELLING:
        # Its own word, if that crossed our CANCEL, is what came; 487 only says that it obeyed.
        leg.sip_code = leg.why.given_up if leg.why is not None and (is_local or status == 487) else status
        leg.sip_reason = response.reason
        return leg.down(now, events.Down(leg.call, leg.name))
    leg.why = Why(cause_of(status), status, response.reason) if is_local else why_of(status, response, response.reason)
    leg.sip_code, leg.sip_reason = status, response.reason
    return leg.down(now, events.Refused(leg.call, leg.name, leg.why, is_local))


def provisional(leg: Leg, response: Response, now: float) -> Work:
    first = not leg.heard
    leg.heard = True
    says_more = response.status > 100 and ("RSeq" in response.headers or response.body != b"")
    work: Work | None = listen(leg, response) if says_more else []
    if leg.state == CANCELLING:
        return [*(work or []), *(leg.cancel() if first else [])]
    if work is None or response.status < 180:
        return work or []
    learn_methods(leg, response)
    if leg.state == INVITING:
        leg.state = RINGING
        leg.ringing_at = now
        work.append(events.Ringing(leg.call, leg.name))
    if leg.party.early_media and response.body and leg.state == RINGING and not leg.party.delayed_offer:
        work += early_media(leg, response)
    return work


def early_media(leg: Leg, response: Response) -> Work:
    """What a provisional response says of the peer's media, where it can be understood."""
    if response.content_type == "application/sdp":
        with suppress(SipError):
            return [events.Described(leg.call, leg.name, SessionDescription.parse(response.body))]
    return []


def is_first(request: Request) -> bool:
    """Whether an INVITE opens a dialog; of one inside it no more may be left than its CSeq."""
    return "To" in request.headers and not request.to_tag


def accepted(leg: Leg, invite: Request, response: Response, now: float) -> Work:
    """Every 2xx is acknowledged: the first makes the dialog.

    One of another fork, one after we gave up or were refused, and one to an INVITE that was challenged is hung up.
    """
    sequence, tag = invite.cseq.number, response.to_tag or ""
    is_wanted = invite is leg.invite and leg.state in (INVITING, RINGING)
    known = leg.acks.get((sequence, tag))
    if known is not None:
        return [known]
    if leg.owed_ack is not None and leg.dialog is not None and tag == leg.dialog.remote_tag:
        return []
    try:
        dialog = Dialog(invite, response, leg.party.flow)
    except SipError as error:
        return misunderstood(leg, error, now) if is_wanted else []
    fork = leg.forks.pop(tag, None) if invite is leg.invite else None
    if fork is not None:
        sequence = fork.sequence
        if fork.dialog is not None:
            dialog.remote_seq = fork.dialog.remote_seq
    if not is_wanted:
        work = leg.acknowledge(dialog, invite, tag, answer_that_declines(leg, invite, response))
        bye = dialog.request("BYE", sequence + 1)
        leg.sign(bye)
        if leg.state == CANCELLING and invite is leg.invite:
            leg.sequence = sequence + 1
            # The 2xx crossed our CANCEL: the peer has answered, and is told that it is over.
            leg.state, leg.dialog, leg.bye, leg.answered_at = ENDING, dialog, bye, now
            leg.sip_code, leg.sip_reason = response.status, response.reason
            shorten_answered(invite)
            leg.say_why(bye)
        return [*work, SendRequest(leg.key, bye, dialog.hop, dialog.flow)]
    leg.state, leg.dialog, leg.answered_at, leg.sequence = UP, dialog, now, sequence
    leg.sip_code, leg.sip_reason = response.status, OK if response.reason == OK else response.reason
    shorten_answered(invite)
    if leg.party.delayed_offer:
        return made_offer(leg, response, now)
    work = leg.acknowledge(dialog, invite, tag)
    try:
        leg.media.answered(SessionDescription.parse(response.body or (fork.body if fork is not None else b"")))
    except SipError as error:
        why = Why("INCOMPATIBLE_DESTINATION", 488, error.reason)
        return [*work, *leg.send_bye(why), events.Refused(leg.call, leg.name, why, True)]
    learn_methods(leg, response)
    work += agree(leg, response, now)
    work.append(events.Answered(leg.call, leg.name))
    return work


def made_offer(leg: Leg, response: Response, now: float) -> Work:
    """The 2xx to an INVITE without an offer brings one; its ACK has to wait for our answer (§13.2.2.4)."""
    assert leg.invite is not None and leg.dialog is not None
    try:
        leg.media.ask(SessionDescription.parse(response.body))
    except SipError as error:
        why = Why("INCOMPATIBLE_DESTINATION", 488, error.reason)
        work = leg.acknowledge(leg.dialog, leg.invite, leg.dialog.remote_tag)
        return [*work, *leg.send_bye(why), events.Refused(leg.call, leg.name, why, True)]
    leg.owed_ack = leg.invite
    learn_methods(leg, response)
    return [*agree(leg, response, now), events.Answered(leg.call, leg.name)]


def answer_that_declines(leg: Leg, invite: Request, response: Response) -> bytes:
    """What the ACK has to say to a 2xx that nobody waits for any more: nothing, unless it makes an offer."""
    if not leg.party.delayed_offer or invite.flow is None:
        return b""
    with suppress(SipError):
        return bytes(declined(SessionDescription.parse(response.body), invite.flow.interface.host))
    return b""


def misunderstood(leg: Leg, error: SipError, now: float) -> Work:
    """A 2xx that no ACK can follow, for its Contact or Record-Route is none."""
    leg.why, leg.sip_code, leg.sip_reason = Why("INTERWORKING", 502, error.reason), 502, error.reason
    return leg.down(now, events.Refused(leg.call, leg.name, leg.why, True))


def reinvite_response(leg: Leg, request: Request, response: Response, now: float) -> Work:
    """What came of an offer of ours inside the dialog."""
    status = response.status
    if status < 200 or leg.dialog is None:
        return []
    if status < 300:
        tag = response.to_tag or ""
        known = leg.acks.get((request.cseq.number, tag))
        if known is not None:
            return [known]
        with suppress(SipError):  # a Contact that is none: the last one stays
            leg.dialog.refresh(response)
        work = leg.acknowledge(leg.dialog, request, tag) if request.method == "INVITE" else []
        is_refresh = request is leg.refresh
        leg.reinvite = None
        if is_refresh:
            leg.refresh = None
        request.let_go()
        if leg.state != UP:
            return work
        media = leg.media
        before = media.remote
        try:
            media.answered(SessionDescription.parse(response.body))
        except SipError as error:
            return [*work, *leg.break_off(Why("INCOMPATIBLE_DESTINATION", 488, error.reason))]
        learn_methods(leg, response)
        work += agree(leg, response, now)
        if not is_refresh:
            work.append(events.Reanswered(leg.call, leg.name))
            return work
        moved = before is None or media.remote is None or not before.same_media(media.remote)
        return [*work, events.Refreshed(leg.call, leg.name, moved)]
    leg.reinvite = None
    if leg.state != UP:
        return []
    leg.media.refused()
    if request.method == "UPDATE" and status in NO_UPDATE:
        leg.takes_update = False
        return leg.reoffer(SessionDescription.parse(request.body), now)
    if status in GONE:
        # The peer does not know the dialog any more, or is gone (§12.2.1.2).
        return leg.break_off(why_of(status, response, response.reason))
    if request is leg.refresh:
        leg.refresh = None
        return [*not_refreshed(leg, response, now), events.Refreshed(leg.call, leg.name, False)]
    return [events.Rerefused(leg.call, leg.name, response)]


def update_response(leg: Leg, response: Response, now: float) -> Work:
    """What came of an UPDATE that only refreshes the session."""
    status = response.status
    if status < 200 or leg.dialog is None:
        return []
    leg.refresh = None
    if leg.state != UP:
        return []
    if status < 300:
        with suppress(SipError):
            leg.dialog.refresh(response)
        return [*agree(leg, response, now), events.Refreshed(leg.call, leg.name, False)]
    if status in GONE:
        return leg.break_off(why_of(status, response, response.reason))
    if status in NO_UPDATE and leg.session is not None:
        leg.takes_update = False
        leg.session.refresh_at = now
        return tend(leg, now)
    return [*not_refreshed(leg, response, now), events.Refreshed(leg.call, leg.name, False)]


def try_again(leg: Leg, request: Request, response: Response) -> Work:
    """The same request as the peer wants it, with the next CSeq and a new branch; nothing when that would be in vain."""
    if leg.state == CANCELLING or request.method == "CANCEL":
        return []
    if leg.state == ENDING and request.method != "BYE":
        return []  # it crossed our BYE
    again = challenged(leg, request, response) if response.status in HEADERS else reworded(leg, request, response)
    if again is None:
        return []
    way = early_way(leg, request) or leg.dialog or leg.party
    hop, flow = way.hop, way.flow
    if request is leg.invite:
        leg.invite, leg.heard = again, False
        leg.forks = NO_FORKS
    elif request is leg.reinvite:
        leg.reinvite = again
        if request is leg.refresh:
            leg.refresh = again
    elif request is leg.refresh:
        leg.refresh = again
    elif request is leg.bye:
        leg.bye = again
    elif leg.referral is not None and request is leg.referral.request:
        leg.referral.request = again
    elif request.method == "INFO" and request.cseq.number in leg.informs:
        leg.informs[leg.sequence] = leg.informs.pop(request.cseq.number)
    elif request.method == "BYE":
        flow = request.flow  # to another fork, where it went before
    return [SendRequest(leg.key, again, hop, flow)]


def early_way(leg: Leg, request: Request) -> Dialog | None:
    """The early dialog of a PRACK, while its fork has not answered."""
    fork = leg.forks.get(request.to_tag or "") if request.method == "PRACK" else None
    return fork.dialog if fork is not None else None


def next_sequence(leg: Leg, request: Request) -> int:
    """The CSeq of a request that goes once more: each dialog counts by itself (§12.2.1.1)."""
    tag = request.to_tag or ""
    fork = leg.forks.get(tag) if request.method == "PRACK" else None
    if fork is not None:
        fork.sequence += 1
        return fork.sequence
    if leg.dialog is not None and tag != leg.dialog.remote_tag:
        return request.cseq.number + 1
    leg.sequence += 1
    return leg.sequence


def challenged(leg: Leg, request: Request, response: Response) -> Request | None:
    """With credentials (§22.2)."""
    authentication = leg.authentication
    if authentication is None or not authentication.absorb(request, response, request.tries):
        return None
    return authentication.again(request, next_sequence(leg, request))


def reworded(leg: Leg, request: Request, response: Response) -> Request | None:
    """With the options that the peer understands, or insists on, or for a longer session (§8.1.3.5, RFC 4028 §7.3)."""
    if request.method not in ("INVITE", "UPDATE"):
        return None
    if response.status == 422:
        if leg.session is None:
            leg.session = SessionTimer(leg.party.session_expires)
        if not leg.session.raise_to(response):
            return None
    else:
        if leg.terms is STANDARD:
            leg.terms = Terms()
        if not leg.terms.absorb(response):
            return None
    again = request.renewed(next_sequence(leg, request))
    leg.terms.put_on(again.headers)
    if "timer" not in leg.terms.offered:
        again.headers.pop("Session-Expires", None)
        again.headers.pop("Min-SE", None)
    elif leg.session is not None:
        leg.session.put_on(again.headers)
    leg.sign(again)
    return again
