"""A leg as its snapshot has it, in another process: what rang is taken back, what talked goes on, what ended is ended again.

snapshot                       what is done
INVITING, RINGING              nothing: its call ends it, by a CANCEL of the INVITE's own branch
CANCELLING                     CANCEL, whether a provisional response came or not: it may have come while nobody listened
UP                             an offer that is open, in either direction, goes on under its branch and CSeq
ENDING                         BYE, under a new CSeq: a peer that had the first one says 481
"""

from __future__ import annotations

from math import inf

from c2c_b2bua.dialog.dialog import NO_ROUTES, Dialog
from c2c_b2bua.dialog.extensions import Terms
from c2c_b2bua.dialog.invitation import compose_invite
from c2c_b2bua.dialog.leg import CANCELLING, ENDING, INVITING, RINGING, UP, Leg
from c2c_b2bua.dialog.leg_refresh import target_refresh, watch
from c2c_b2bua.dialog.offer_answer import ASKED, OFFERED, STABLE
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.session_timer import SessionTimer
from c2c_b2bua.dialog.snapshot import Agreed, LegSnapshot, Place, Sent, SessionSnapshot
from c2c_b2bua.dialog.unacked import PATIENCE, Unacked
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.reason import HUNG_UP
from c2c_b2bua.transaction.actions import SendRequest, StartTimer, Work
from c2c_b2bua.transaction.adoption import (
    adopt_abandoned,
    adopt_accepted,
    adopt_answered,
    adopt_invite,
    adopt_request,
    stamp_again,
)
from c2c_b2bua.transaction.layer import TransactionLayer

JUMP = 100
"""What is added to the last CSeq known: no number is used twice, even if the last snapshot could not be kept."""


def flow_at(place: Place, interfaces: Interfaces) -> Flow:
    """The same way, over a stream that is yet to be opened. SipError 503 when we have no such socket any more."""
    ours = next(
        (one for one in interfaces.interfaces if (one.index, one.transport) == (place.index, place.transport)),
        interfaces.by_kind.get((place.transport, ":" in place.host)),
    )
    if ours is None:
        raise SipError(f"no {place.transport} socket of ours any more", 503)
    return Flow(ours, place.host, place.port, 0, place.name)


def revive(
    kept: LegSnapshot,
    agreed: Agreed | None,
    call: str,
    parties: tuple[Party, ...],
    layer: TransactionLayer,
    now: float,
) -> tuple[Leg, Work]:
    """The leg, and what is to be done for it once the layer's user knows it. SipError when it cannot be reached at all."""
    party = parties[kept.party] if kept.stranger is None else kept.stranger
    leg = Leg(call, kept.name, party, layer.tokens)
    leg.key, leg.tag, leg.state, leg.sequence = kept.key, kept.tag, kept.state, kept.sequence
    leg.why, leg.sip_code, leg.sip_reason = kept.why, kept.sip_code, kept.sip_reason
    leg.invited_at, leg.ringing_at = kept.invited_at, kept.ringing_at
    leg.answered_at, leg.ended_at = kept.answered_at, kept.ended_at
    leg.trail, leg.phrases = kept.trail, kept.phrases
    media = leg.media
    media.state, media.offered = kept.media, kept.offered
    leg.takes_update = kept.takes_update
    if kept.terms is not None:
        leg.terms = Terms()
        leg.terms.offered, leg.terms.demanded = kept.terms
    peer = kept.peer
    if kept.has_dialog and agreed is not None:
        leg.dialog = dialog_of(leg, kept, agreed, layer.interfaces)
        media.local, media.remote, peer = agreed.local, agreed.remote, agreed.peer
    if kept.session is not None:
        leg.session = session_of(kept.session, kept.offer is None, now)
    if kept.state in (INVITING, RINGING, CANCELLING):
        return leg, take_back(leg, kept, layer, now)
    if peer is not None:
        leg.peer = flow_at(peer, layer.interfaces)
    if kept.state == ENDING:
        leg.sequence += JUMP
        leg.media.state, leg.media.offered = STABLE, None
        return leg, leg.send_bye(kept.why or HUNG_UP)
    return leg, go_on(leg, kept, layer, now) if kept.state == UP else []


def dialog_of(leg: Leg, kept: LegSnapshot, agreed: Agreed, interfaces: Interfaces) -> Dialog:
    known = agreed.dialog
    dialog = Dialog.__new__(Dialog)
    dialog.call_id = leg.key
    dialog.local, dialog.remote, dialog.remote_tag = known.local[0], known.remote[0], known.remote_tag
    # What the peer asked last it may ask again: whether it was answered, only the process that is gone could tell.
    dialog.remote_seq = None if kept.remote_seq is None else kept.remote_seq - 1
    dialog.remote_target, dialog.routes = known.remote_target, known.routes or NO_ROUTES
    dialog.given_flow = leg.party.flow
    dialog.flow = None if known.place is None else flow_at(known.place, interfaces)
    if dialog.flow == dialog.given_flow:
        dialog.flow = dialog.given_flow
    dialog.plan_route()
    return dialog


def session_of(kept: SessionSnapshot, is_idle: bool, now: float) -> SessionTimer:
    session = SessionTimer(kept.interval)
    session.least, session.is_agreed, session.is_ours = kept.least, kept.is_agreed, kept.is_ours
    session.refresh_at, session.ends_at = kept.refresh_at, kept.ends_at
    if kept.is_agreed and kept.is_ours and kept.refresh_at == inf and is_idle:
        # A refresh was under way, and what came of it nobody knows.
        session.refresh_at = now
    return session


def take_back(leg: Leg, kept: LegSnapshot, layer: TransactionLayer, now: float) -> Work:
    """The INVITE of a leg that rings, or is being cancelled; without one it never left."""
    work: Work = []
    for one in kept.invites[1:]:
        invite, flow = invite_of(leg, one, layer.interfaces)
        work += adopt_abandoned(layer, leg.key, invite, flow, leg.party.hop, now)
    for one in kept.invites[:1]:
        leg.invite, flow = invite_of(leg, one, layer.interfaces)
        leg.heard = True
        adopt_invite(layer, leg.key, leg.invite, flow)
    if leg.state == CANCELLING:
        work.append(StartTimer(leg.key, "give up", now + PATIENCE))
        if leg.invite is not None:
            work += leg.cancel()
    return work


def invite_of(leg: Leg, kept: Sent, interfaces: Interfaces) -> tuple[Request, Flow]:
    """The INVITE as far as CANCEL and ACK have to be like it, and its way."""
    invite = compose_invite(leg.party, leg.key, leg.tag)
    invite.headers["CSeq"] = [f"{kept.sequence} INVITE"]
    invite.read_cseq = None
    flow = flow_at(kept.place, interfaces)
    stamp_again(invite, flow, kept.branch)
    return invite, flow


def go_on(leg: Leg, kept: LegSnapshot, layer: TransactionLayer, now: float) -> Work:
    """What was open between the peer and us stays open."""
    work: Work = []
    media = leg.media
    for asked in kept.pending:
        request = parse(asked.message)
        assert isinstance(request, Request)
        request.flow = flow_at(asked.place, layer.interfaces)
        adopt_request(layer, asked.key, leg.key, request.method, request.flow)
        leg.hold(asked.key, request)
    if kept.unacked is not None:
        response = parse(kept.unacked.message)
        assert isinstance(response, Response)
        key, flow = kept.unacked.key, flow_at(kept.unacked.place, layer.interfaces)
        work += adopt_accepted(layer, key, leg.key, flow, now)
        leg.unacked = Unacked(key, kept.unacked.sequence, response, kept.unacked.wants_answer, now)
        work.append(StartTimer(leg.key, leg.unacked.timer, now))
    if kept.owed_ack is not None:
        leg.invite, flow = invite_of(leg, kept.owed_ack, layer.interfaces)
        leg.owed_ack = leg.invite
        work += adopt_answered(layer, leg.key, leg.invite, flow, now)
    if kept.offer is not None and media.local is not None:
        work += offer_again(leg, kept.offer, layer, now)
    leg.sequence = kept.sequence + JUMP
    is_offered = leg.reinvite is not None or (leg.unacked is not None and leg.unacked.wants_answer)
    is_asked = leg.pending or leg.owed_ack is not None
    if (media.state == OFFERED and not is_offered) or (media.state == ASKED and not is_asked):
        media.state, media.offered = STABLE, None
    return [*work, *watch(leg)]


def offer_again(leg: Leg, kept: Sent, layer: TransactionLayer, now: float) -> Work:
    """The same offer under the same branch and CSeq: a peer that knows it says again what it said, or says it now."""
    assert leg.dialog is not None
    leg.sequence = kept.sequence - 1
    request = target_refresh(leg, kept.method)
    request.headers["Content-Type"] = ["application/sdp"]
    request.body = bytes(leg.media.local) if leg.media.local is not None else b""
    flow = flow_at(kept.place, layer.interfaces)
    stamp_again(request, flow, kept.branch)
    leg.reinvite, leg.reinvited_at = request, now
    if kept.is_refresh:
        leg.refresh = request
    return [
        SendRequest(leg.key, request, leg.dialog.hop, flow),
        StartTimer(leg.key, "reinvite", now + PATIENCE),
    ]
