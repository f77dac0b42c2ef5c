"""One leg: an INVITE we sent, the dialog that came of it, and its end (RFC 3261 §9, §12-15).

    IDLE ── invite ──> INVITING ── 18x ──> RINGING ── 2xx ──> UP ── BYE of ours ──> ENDING ──> DOWN
                          └── hang_up ──> CANCELLING ── 487 ──> DOWN     (2xx all the same: ACK, BYE, ENDING)

Commands return actions; what the peer does comes back as the events of `dialog/events.py`.
Requests of the peer inside the dialog are in `leg_requests.py`.
"""

from __future__ import annotations

from contextlib import suppress

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.actions import ForgetLeg
from c2c_b2bua.dialog.authentication import HEADERS, Authentication
from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.invitation import ALLOW, compose_cancel, compose_invite
from c2c_b2bua.dialog.offer_answer import STABLE, OfferAnswer
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.unacked import PATIENCE, Unacked
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import Why, cause_of, why_of
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Ack, Forget, Reply, SendAck, SendRequest, StartTimer, Work
from c2c_b2bua.transaction.matching import client_key
from c2c_b2bua.transaction.timings import T1

IDLE, INVITING, RINGING, CANCELLING, UP, ENDING, DOWN = (
    "IDLE", "INVITING", "RINGING", "CANCELLING", "UP", "ENDING", "DOWN",
)  # fmt: skip


class Leg:
    """One side of a call. `key` is its SIP Call-ID; `remote` what the peer last said of its media."""

    __slots__ = ("acks", "answered_at", "authentication", "bye", "call", "dialog", "early_body", "ended_at", "heard",
                 "informs", "invite", "invited_at", "key", "media", "name", "party", "pending", "reinvite", "reinvited_at",
                 "ringing_at", "sequence", "sip_code", "sip_reason", "state", "tag", "tokens", "unacked",
                 "why")  # fmt: skip

    def __init__(self, call: str, name: str, party: Party, tokens: Tokens) -> None:
        self.call = call
        self.name = name
        self.party = party
        self.tokens = tokens
        self.key = f"{tokens.tag()}{tokens.token()}"
        self.tag = tokens.tag()
        self.state = IDLE
        self.sequence = 0
        self.media = OfferAnswer()
        self.authentication = Authentication(party.username, party.password, tokens) if party.username else None
        self.invite: Request | None = None
        self.reinvite: Request | None = None
        self.reinvited_at = 0.0
        self.bye: Request | None = None
        self.heard = False
        """A provisional response came, so that CANCEL may go (§9.1)."""
        self.early_body = b""
        self.dialog: Dialog | None = None
        self.acks: dict[tuple[int, str], SendAck] = {}
        """(CSeq, To tag) of a 2xx -> its ACK, for when the 2xx comes again."""
        self.pending: dict[str, Request] = {}
        """Server transaction key -> request of the peer that waits for our answer."""
        self.informs: dict[int, str] = {}
        """CSeq of an INFO we passed on -> key of the transaction on the other leg that waits for its response."""
        self.unacked: Unacked | None = None
        self.why: Why | None = None
        self.sip_code: int | None = None
        self.sip_reason: str | None = None
        self.invited_at: float | None = None
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None

    @property
    def remote(self) -> SessionDescription | None:
        return self.media.remote

    @property
    def can_offer(self) -> bool:
        """Whether a re-INVITE may go now: no other INVITE is under way on this leg, in either direction (§14.1)."""
        return self.state == UP and self.media.state == STABLE and self.reinvite is None and self.unacked is None

    @property
    def is_over(self) -> bool:
        """Whether nobody rings or talks here: down, never begun, or cancelled without a sign of life."""
        return self.state in (DOWN, IDLE) or (self.state == CANCELLING and not self.heard)

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def ring(self, offer: SessionDescription, now: float) -> Work:
        """Send the INVITE."""
        self.sequence = 1
        self.state = INVITING
        self.invited_at = now
        self.invite = compose_invite(self.party, self.key, self.tag)
        self.invite.body = bytes(self.media.offer(offer))
        return [
            SendRequest(self.key, self.invite, self.party.hop, self.party.flow),
            StartTimer(self.key, "ring", now + self.party.ring_timeout),
        ]

    def hang_up(self, why: Why, now: float) -> Work:
        """End the leg, whatever it is doing: CANCEL, BYE, or nothing if it is ending by itself. `Down` follows."""
        if self.why is None:
            self.why = why
        if self.state == IDLE:
            return self.down(now, events.Down(self.call, self.name))
        if self.state in (INVITING, RINGING):
            self.state = CANCELLING
            give_up = StartTimer(self.key, "give up", now + PATIENCE)
            if self.heard:
                return [*self.cancel(), give_up]
            # No CANCEL may go before a response came (§9.1). For the call this leg is over; should the phone
            # turn up after all, it is cancelled then.
            self.sip_code, self.ended_at = why.sip_code, now
            return [give_up, events.Down(self.call, self.name)]
        return self.send_bye(why) if self.state == UP else []

    def reoffer(self, offer: SessionDescription, now: float) -> Work:
        """Send a re-INVITE; only when `can_offer`. `Reanswered`, `Rerefused` or `HungUp` follows."""
        request = self.inside("INVITE")
        request.headers["Contact"] = []
        request.headers["Content-Type"] = ["application/sdp"]
        request.body = bytes(self.media.offer(offer))
        self.reinvite, self.reinvited_at = request, now
        return [*self.send_inside(request), StartTimer(self.key, "reinvite", now + PATIENCE)]

    def answer(self, key: str, answer: SessionDescription, now: float) -> Work:
        """Accept the offer that `Offered` told."""
        return self.accept(key, self.media.answer(answer), False, now)

    def offer_in_answer(self, key: str, offer: SessionDescription, now: float) -> Work:
        """Accept a re-INVITE that `OfferWanted` told; the peer's answer comes in its ACK."""
        return self.accept(key, self.media.offer(offer), True, now)

    def refuse(self, key: str, status: int, reason: str = "") -> Work:
        """Refuse what `Offered` or `OfferWanted` told; the session stays as it was."""
        request = self.pending.pop(key)
        if request.body and self.media.offered is not None:
            self.media.decline()
        return [Reply(key, request.response(status, reason))]

    # ── responses ────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, request: Request, response: Response, is_local: bool, now: float) -> Work:
        """A response to a request of this leg. `is_local`: ours, because nothing came (408) or went (503)."""
        if response.status in HEADERS and self.state != DOWN:
            again = self.try_again(request, response)
            if again:
                return again
        if request is self.invite:
            return self.invite_response(response, is_local, now)
        if request is self.reinvite or (request.method == "INVITE" and response.status < 300):
            return self.reinvite_response(request, response, now)
        if request is self.bye and response.status >= 200:
            return self.down(now, events.Down(self.call, self.name))
        if request.method == "INFO" and response.status >= 200:
            key = self.informs.pop(request.cseq.number, "")
            return [events.InformAnswered(self.call, self.name, key, response)]
        return []

    def invite_response(self, response: Response, is_local: bool, now: float) -> Work:
        status = response.status
        if status < 200:
            return self.provisional(response, now)
        if status < 300:
            return self.accepted(response, now)
        if self.state not in (INVITING, RINGING, CANCELLING):
            return []
        if self.state == CANCELLING:
            self.sip_code = (self.why and self.why.sip_code) or (487 if is_local else status)
            self.sip_reason = response.reason
            return self.down(now, events.Down(self.call, self.name))
        self.why = (
            Why(cause_of(status), status, response.reason) if is_local else why_of(status, response, response.reason)
        )
        self.sip_code, self.sip_reason = status, response.reason
        return self.down(now, events.Refused(self.call, self.name, self.why, is_local))

    def provisional(self, response: Response, now: float) -> Work:
        first = not self.heard
        self.heard = True
        if self.state == CANCELLING:
            return self.cancel() if first else []
        if response.status == 100 or self.state not in (INVITING, RINGING):
            return []
        if response.content_type == "application/sdp":
            self.early_body = response.body
        if self.state == RINGING or response.status < 180:
            return []
        self.state = RINGING
        self.ringing_at = now
        return [events.Ringing(self.call, self.name)]

    def accepted(self, response: Response, now: float) -> Work:
        """Every 2xx is acknowledged: the first makes the dialog; one of another fork, or after we gave up, is hung up."""
        assert self.invite is not None
        sequence, tag = self.invite.cseq.number, response.to_tag or ""
        known = self.acks.get((sequence, tag))
        if known is not None:
            return [known]
        try:
            dialog = Dialog(self.invite, response, self.party.flow)
        except SipError as error:
            return self.misunderstood(error, now)
        work = self.acknowledge(dialog, self.invite, tag)
        if self.state not in (INVITING, RINGING):
            bye = dialog.request("BYE", sequence + 1)
            self.sign(bye)
            if self.state == CANCELLING:
                # The 2xx crossed our CANCEL: the peer has answered, and is told that it is over.
                self.state, self.dialog, self.bye, self.answered_at = ENDING, dialog, bye, now
                self.sip_code, self.sip_reason = response.status, response.reason
                self.say_why(bye)
            return [*work, SendRequest(self.key, bye, dialog.hop, dialog.flow)]
        self.state, self.dialog, self.answered_at = UP, dialog, now
        self.sip_code, self.sip_reason = response.status, response.reason
        try:
            self.media.answered(SessionDescription.parse(response.body or self.early_body))
        except SipError as error:
            why = Why("INCOMPATIBLE_DESTINATION", 488, error.reason)
            return [*work, *self.send_bye(why), events.Refused(self.call, self.name, why, True)]
        self.early_body = self.invite.body = b""
        return [*work, events.Answered(self.call, self.name)]

    def misunderstood(self, error: SipError, now: float) -> Work:
        """A 2xx that no ACK can follow, for its Contact or Record-Route is none."""
        if self.state not in (INVITING, RINGING):
            return []
        self.why, self.sip_code, self.sip_reason = Why("INTERWORKING", 502, error.reason), 502, error.reason
        return self.down(now, events.Refused(self.call, self.name, self.why, True))

    def reinvite_response(self, request: Request, response: Response, now: float) -> Work:
        status = response.status
        if status < 200 or self.dialog is None:
            return []
        if status < 300:
            tag = response.to_tag or ""
            known = self.acks.get((request.cseq.number, tag))
            if known is not None:
                return [known]
            with suppress(SipError):  # a Contact that is none: the last one stays
                self.dialog.refresh(response)
            work = self.acknowledge(self.dialog, request, tag)
            self.reinvite = None
            request.let_go()
            if self.state != UP:
                return work
            try:
                self.media.answered(SessionDescription.parse(response.body))
            except SipError as error:
                return [*work, *self.break_off(Why("INCOMPATIBLE_DESTINATION", 488, error.reason))]
            return [*work, events.Reanswered(self.call, self.name)]
        self.reinvite = None
        if self.state != UP:
            return []
        self.media.refused()
        if status in (408, 481):
            # The peer does not know the dialog any more, or is gone (§12.2.1.2).
            return self.break_off(why_of(status, response, response.reason))
        return [events.Rerefused(self.call, self.name, response)]

    def try_again(self, request: Request, response: Response) -> Work:
        """Answer a challenge: the same request with credentials, the next CSeq and a new branch (§22.2)."""
        authentication = self.authentication
        if self.state == CANCELLING or request.method == "CANCEL":
            return []
        if authentication is None or not authentication.absorb(request, response, request.tries):
            return []
        self.sequence += 1
        again = authentication.again(request, self.sequence)
        way = self.dialog if self.dialog is not None else self.party
        hop, flow = way.hop, way.flow
        if request is self.invite:
            self.invite, self.heard = again, False
        elif request is self.reinvite:
            self.reinvite = again
        elif request is self.bye:
            self.bye = again
        elif request.method == "INFO" and request.cseq.number in self.informs:
            self.informs[self.sequence] = self.informs.pop(request.cseq.number)
        else:
            flow = request.flow  # the BYE to another fork goes where it went before
        return [SendRequest(self.key, again, hop, flow)]

    def timer(self, name: str, now: float) -> Work:
        if name == "ring" and self.state in (INVITING, RINGING):
            return [events.RangOut(self.call, self.name)]
        if name == "give up" and self.state in (CANCELLING, DOWN):
            # Cancelled or hung up, and still no final response: the transaction is over all the same (§9.1).
            invite = self.invite if self.state == CANCELLING else self.reinvite
            forget: Work = [Forget(client_key(invite.branch, "INVITE"))] if invite and invite.headers["Via"] else []
            return [*forget, *self.down(now, events.Down(self.call, self.name))] if self.state != DOWN else forget
        if name == "reinvite" and self.state == UP and self.reinvite and now >= self.reinvited_at + PATIENCE:
            # No user has to be asked, so that a peer that only says 100 or 180 for ever is gone (§14.1).
            return self.break_off(Why("RECOVERY_ON_TIMER_EXPIRE", 408, "no answer to a re-INVITE"))
        unacked = self.unacked
        if unacked is None or name != unacked.timer or self.state != UP:
            return []
        if now < unacked.deadline:
            return unacked.repeat(self.key, now)
        return self.break_off(Why("RECOVERY_ON_TIMER_EXPIRE", 408, "no ACK"))

    def inside(self, method: str) -> Request:
        """The next request of the dialog."""
        assert self.dialog is not None
        self.sequence += 1
        request = self.dialog.request(method, self.sequence)
        self.sign(request)
        return request

    def send_inside(self, request: Request) -> Work:
        assert self.dialog is not None
        return [SendRequest(self.key, request, self.dialog.hop, self.dialog.flow)]

    def sign(self, request: Request) -> None:
        if self.authentication is not None:
            self.authentication.sign(request)

    def acknowledge(self, dialog: Dialog, invite: Request, tag: str) -> Work:
        """The ACK of a 2xx; it carries the credentials of its INVITE (§13.2.2.4)."""
        ack = dialog.request("ACK", invite.cseq.number)
        for header in ("Authorization", "Proxy-Authorization"):
            if header in invite.headers:
                ack.headers[header] = invite.headers[header]
        action = SendAck(self.key, Ack(ack, dialog.hop, dialog.flow))
        self.acks[invite.cseq.number, tag] = action
        return [action]

    def cancel(self) -> Work:
        """CANCEL takes the way of its INVITE (§9.1)."""
        assert self.invite is not None
        request = compose_cancel(self.invite)
        self.say_why(request)
        return [SendRequest(self.key, request, self.party.hop, self.invite.flow)]

    def send_bye(self, why: Why) -> Work:
        """End the dialog; requests of the peer that wait for an answer get one first (§15.1.2)."""
        work: Work = [Reply(key, request.response(487)) for key, request in self.pending.items()]
        self.pending.clear()
        self.unacked = None
        self.state = ENDING
        self.why = self.why or why
        self.bye = self.inside("BYE")
        self.say_why(self.bye)
        return [*work, *self.send_inside(self.bye)]

    def break_off(self, why: Why) -> Work:
        """End a dialog that cannot go on: BYE, and the call is told."""
        self.why = why
        return [*self.send_bye(why), events.HungUp(self.call, self.name, why, True)]

    def travel_light(self) -> None:
        """No transaction is open: no 2xx can come again that would want its ACK, or make a dialog of another fork."""
        self.acks.clear()
        if self.invite is not None and self.dialog is not None:
            self.invite.let_go()

    def say_why(self, request: Request) -> None:
        if self.why is not None:
            request.headers["Reason"] = [self.why.header]

    def accept(self, key: str, description: SessionDescription, wants_answer: bool, now: float) -> Work:
        """200 to a re-INVITE or UPDATE; that of a re-INVITE is repeated until its ACK comes (§13.3.1.4)."""
        request = self.pending.pop(key)
        response = request.response(200)
        assert request.flow is not None
        response.headers["Contact"] = [request.flow.interface.contact]
        response.headers["Allow"] = [ALLOW]
        response.headers["Content-Type"] = ["application/sdp"]
        response.body = bytes(description)
        if request.method != "INVITE":
            return [Reply(key, response)]
        self.unacked = Unacked(key, request.cseq.number, response, wants_answer, now)
        return [Reply(key, response), StartTimer(self.key, self.unacked.timer, now + T1)]

    def down(self, now: float, event: events.Down | events.Refused | events.HungUp) -> Work:
        """Nothing more will happen here; what only a living leg needs is let go."""
        self.state = DOWN
        self.ended_at = now
        self.unacked = None
        self.media = OfferAnswer()
        work: Work = [Reply(key, request.response(487)) for key, request in self.pending.items()]
        self.pending.clear()
        if self.reinvite is None:
            self.dialog = None
        else:
            work.append(StartTimer(self.key, "give up", now + PATIENCE))
        return [*work, event, ForgetLeg(self.key)]
