"""One leg: an INVITE we sent, the dialog that came of it, and its end (RFC 3261 §9, §12-15).

    IDLE ── invite ──> INVITING ── 18x ──> RINGING ── 2xx ──> UP ── BYE of ours ──> ENDING ──> DOWN
                          └── hang_up ──> CANCELLING ── 487 ──> DOWN     (2xx all the same: ACK, BYE, ENDING)

Commands return actions; what the peer does comes back as the events of `dialog/events.py`.
What the peer answers is in `leg_responses.py`, what it asks inside the dialog in `leg_requests.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.actions import ForgetLeg
from c2c_b2bua.dialog.authentication import Authentication
from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.dialog.extensions import STANDARD, Terms, introduce
from c2c_b2bua.dialog.invitation import compose_cancel, compose_invite
from c2c_b2bua.dialog.leg_refresh import grant, send_refresh, target_refresh, tend
from c2c_b2bua.dialog.offer_answer import STABLE, OfferAnswer
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.referral import leave
from c2c_b2bua.dialog.unacked import PATIENCE, Unacked
from c2c_b2bua.sdp import SessionDescription, declined
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.reason import Why, legible
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.trail import LONGEST, pack, shortened
from c2c_b2bua.transaction.actions import Forget, Reply, SendAck, SendRequest, StartTimer, Work
from c2c_b2bua.transaction.matching import client_key
from c2c_b2bua.transaction.timings import T1

if TYPE_CHECKING:
    from c2c_b2bua.dialog.early import Fork
    from c2c_b2bua.dialog.referral import Referral
    from c2c_b2bua.dialog.session_timer import SessionTimer

IDLE, INVITING, RINGING, CANCELLING, UP, ENDING, DOWN = (
    "IDLE", "INVITING", "RINGING", "CANCELLING", "UP", "ENDING", "DOWN",
)  # fmt: skip
NO_FORKS: dict[str, Fork] = {}
NO_ACKS: dict[tuple[int, str], SendAck] = {}
NONE_PENDING: dict[str, Request] = {}
NO_INFORMS: dict[int, str] = {}
NO_PHRASES: dict[int, str] = {}
"""Nothing, for all legs: never added to."""
MOST_PHRASES, LONGEST_PHRASE = 10, 120


class Leg:
    """One side of a call. `key` is its SIP Call-ID; `remote` what the peer last said of its media."""

    __slots__ = ("acks", "answered_at", "authentication", "bye", "call", "dialog", "ended_at", "forks", "heard",
                 "informs", "invite", "invited_at", "key", "media", "name", "owed_ack", "party", "peer", "pending",
                 "phrases", "probe", "referral", "refresh", "reinvite", "reinvited_at", "ringing_at", "sequence", "session",
                 "sip_code", "sip_reason", "state", "tag", "takes_refer", "takes_update", "terms", "tokens", "trail",
                 "unacked", "why")  # fmt: skip

    def __init__(self, call: str, name: str, party: Party, tokens: Tokens) -> None:
        self.call = call
        self.name = name
        self.party = party
        self.tokens = tokens
        self.key = f"{tokens.tag()}{tokens.token()}"
        self.tag = tokens.seal(self.key)
        self.state = IDLE
        self.sequence = 0
        self.media = OfferAnswer()
        self.terms = STANDARD
        self.authentication = Authentication(party.username, party.password, tokens) if party.username else None
        self.invite: Request | None = None
        """None again once nothing can come of it any more."""
        self.peer: Flow | None = None
        """Where the INVITE went, once there is none."""
        self.reinvite: Request | None = None
        """Our offer inside the dialog that is not answered yet: an INVITE, or an UPDATE."""
        self.reinvited_at = 0.0
        self.refresh: Request | None = None
        """Our INVITE or UPDATE that shall only keep the session alive."""
        self.probe: Request | None = None
        """The one of them that asks, after a takeover, whether the peer is still there."""
        self.session: SessionTimer | None = None
        """None while the peer has not spoken of session timers."""
        self.takes_update = self.takes_refer = False
        self.referral: Referral | None = None
        """Our REFER, if there was one."""
        self.bye: Request | None = None
        self.heard = False
        """A provisional response came, so that CANCEL may go (§9.1)."""
        self.forks = NO_FORKS
        """To tag -> what was said provisionally under it, where that is more than ringing."""
        self.dialog: Dialog | None = None
        self.acks = NO_ACKS
        """(CSeq, To tag) of a 2xx -> its ACK, for when the 2xx comes again."""
        self.owed_ack: Request | None = None
        """Our INVITE whose 2xx made an offer that waits for our answer, and so for its ACK."""
        self.pending = NONE_PENDING
        """Server transaction key -> request of the peer that waits for our answer."""
        self.informs = NO_INFORMS
        """CSeq of an INFO we passed on -> key of the transaction on the other leg that waits for its response."""
        self.unacked: Unacked | None = None
        self.why: Why | None = None
        self.sip_code: int | None = None
        self.sip_reason: str | None = None
        self.trail = b""
        """All that was said, as `sip/trail.py` reads it."""
        self.phrases = NO_PHRASES
        """Status -> what a peer said with it, where that is not what everybody says."""
        self.invited_at: float | None = None
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None

    @property
    def remote(self) -> SessionDescription | None:
        return self.media.remote

    @property
    def way(self) -> Flow | None:
        """Where the INVITE went last."""
        return self.invite.flow if self.invite is not None else self.peer

    @property
    def described(self) -> SessionDescription | None:
        """What the peer said last, be it an offer in its 2xx that waits for our answer."""
        return self.media.offered if self.owed_ack is not None else self.media.remote

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
        """Send the INVITE, without the offer to a party that makes its own."""
        self.sequence = 1
        self.state = INVITING
        self.invited_at = now
        self.invite = compose_invite(self.party, self.key, self.tag)
        if self.party.delayed_offer:
            # A reliable 18x would bring the offer, and want the answer in its PRACK (RFC 3262 §5).
            self.terms = Terms(("timer",))
            self.terms.put_on(self.invite.headers)
            del self.invite.headers["Content-Type"]
        else:
            self.invite.body = self.media.offer(offer).printed()
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
            self.sip_code, self.ended_at = why.given_up, now
            return [give_up, events.Down(self.call, self.name)]
        return self.send_bye(why) if self.state == UP else []

    def reoffer(self, offer: SessionDescription, now: float, method: str = "INVITE") -> Work:
        """Send a re-INVITE, or UPDATE; only when `can_offer`. `Reanswered`, `Rerefused` or `HungUp` follows."""
        request = target_refresh(self, method)
        request.headers["Content-Type"] = ["application/sdp"]
        request.body = self.media.offer(offer).printed()
        self.reinvite, self.reinvited_at = request, now
        dialog = self.dialog
        assert dialog is not None
        return [
            SendRequest(self.key, request, dialog.hop, dialog.flow),
            StartTimer(self.key, "reinvite", now + PATIENCE),
        ]

    def answer_in_ack(self, answer: SessionDescription) -> Work:
        """Answer the offer that the 2xx of our INVITE made; only when `owed_ack`."""
        invite, self.owed_ack = self.owed_ack, None
        assert invite is not None and self.dialog is not None
        return self.acknowledge(self.dialog, invite, self.dialog.remote_tag, self.media.answer(answer).printed())

    def answer(self, key: str, answer: SessionDescription, now: float) -> Work:
        """Accept the offer that `Offered` told."""
        return self.accept(key, self.media.answer(answer), False, now)

    def offer_in_answer(self, key: str, offer: SessionDescription, now: float) -> Work:
        """Accept a re-INVITE that `OfferWanted` told; the peer's answer comes in its ACK."""
        return self.accept(key, self.media.offer(offer), True, now)

    def refuse(self, key: str, status: int, reason: str = "") -> Work:
        """Refuse what `Offered` or `OfferWanted` told; the session stays as it was."""
        request = self.pending.pop(key)
        if request.method in ("INVITE", "UPDATE") and request.body and self.media.offered is not None:
            self.media.decline()
        return [Reply(key, request.response(status, reason))]

    def hold(self, key: str, request: Request) -> None:
        """Keep a request of the peer until it is answered."""
        self.pending = {**self.pending, key: request}

    # ── what was said ────────────────────────────────────────────────────────────────────────────────────────────

    def saw(self, code: int, now: float) -> None:
        """A message went or came."""
        trail = self.trail + pack(now - (self.invited_at or now), code)
        self.trail = trail if len(trail) <= LONGEST else shortened(trail)

    def remember(self, status: int, reason: str) -> None:
        """What the peer said with a refusal."""
        text = legible(reason)
        if text and text != REASON_PHRASES.get(status) and len(self.phrases) < MOST_PHRASES:
            self.phrases = {**self.phrases, status: text[:LONGEST_PHRASE]}

    # ── timers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def timer(self, name: str, now: float) -> Work:
        if name == "ring" and self.state in (INVITING, RINGING):
            return [events.RangOut(self.call, self.name)]
        if name == "give up" and self.state in (CANCELLING, DOWN):
            # Cancelled or hung up, and still no final response: the transaction is over all the same (§9.1).
            invite = self.invite if self.state == CANCELLING else self.reinvite
            forget: Work = (
                [Forget(client_key(invite.branch, invite.method))] if invite and invite.headers["Via"] else []
            )
            if self.state == DOWN:
                return forget
            self.sip_code = self.sip_code or (self.why.given_up if self.why is not None else None)
            return [*forget, *self.down(now, events.Down(self.call, self.name))]
        if name == "reinvite" and self.state == UP and self.reinvite and now >= self.reinvited_at + PATIENCE:
            # No user has to be asked, so that a peer that only says 100 or 180 for ever is gone (§14.1).
            return self.break_off(Why("RECOVERY_ON_TIMER_EXPIRE", 408, "no answer to a re-INVITE"))
        if name == "probe":
            # Another process had this leg until it was killed: does the peer still know of it?
            work = send_refresh(self, now) if self.can_offer and self.refresh is None else []
            self.probe = self.refresh
            return work
        if name == "notify":
            return leave(self, now)
        if name == "session":
            return tend(self, now) if self.state == UP else []
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

    def acknowledge(self, dialog: Dialog, invite: Request, tag: str, answer: bytes = b"") -> Work:
        """The ACK of a 2xx, with our answer where that made an offer."""
        sequence = invite.cseq.number
        action = SendAck(self.key, dialog.ack(invite, sequence, answer))
        if self.acks is NO_ACKS:
            self.acks = {(sequence, tag): action}
        else:
            self.acks[sequence, tag] = action
        return [action]

    def cancel(self) -> Work:
        """CANCEL takes the way of its INVITE (§9.1)."""
        assert self.invite is not None
        request = compose_cancel(self.invite)
        self.say_why(request)
        return [SendRequest(self.key, request, self.party.hop, self.invite.flow)]

    def send_bye(self, why: Why) -> Work:
        """End the dialog; requests of the peer that wait for an answer get one first (§15.1.2)."""
        work = self.close_questions()
        self.unacked = None
        self.state = ENDING
        self.why = self.why or why
        self.bye = self.inside("BYE")
        self.say_why(self.bye)
        return work + self.send_inside(self.bye)

    def break_off(self, why: Why) -> Work:
        """End a dialog that cannot go on: BYE, and the call is told."""
        self.why = why
        return [*self.send_bye(why), events.HungUp(self.call, self.name, why, True)]

    def close_questions(self) -> Work:
        """Answer what waits for us: requests of the peer, and the offer in its 2xx."""
        work: Work = []
        if self.pending:
            work += [Reply(key, request.response(487)) for key, request in self.pending.items()]
            self.pending = NONE_PENDING
        return work + self.decline_offer() if self.owed_ack is not None else work

    def decline_offer(self) -> Work:
        """The ACK that was owed: none of the streams in the peer's offer is taken."""
        offer, invite = self.media.offered, self.owed_ack
        if invite is None or invite.flow is None or offer is None:
            return []
        return self.answer_in_ack(declined(offer, invite.flow.interface.host))

    def travel_light(self) -> None:
        """No transaction is open: no 2xx can come again that would want its ACK, or make a dialog of another fork."""
        self.acks = NO_ACKS
        self.forks = NO_FORKS
        if self.invite is not None and self.dialog is not None and self.owed_ack is None:
            self.peer, self.invite = self.invite.flow, None

    def say_why(self, request: Request) -> None:
        if self.why is not None:
            request.headers["Reason"] = self.why.headers

    def accept(self, key: str, description: SessionDescription, wants_answer: bool, now: float) -> Work:
        """200 to a re-INVITE or UPDATE; that of a re-INVITE is repeated until its ACK comes (§13.3.1.4)."""
        request = self.pending.pop(key)
        response = introduce(request.response(200))
        assert request.flow is not None and self.dialog is not None
        self.dialog.refresh(request)
        response.headers["Contact"] = [request.flow.interface.contact]
        response.headers["Content-Type"] = ["application/sdp"]
        response.body = description.printed()
        work = [*grant(self, request, response, now), Reply(key, response)]
        if request.method == "INVITE":
            self.unacked = Unacked(key, request.cseq.number, response, wants_answer, now)
            work.append(StartTimer(self.key, self.unacked.timer, now + T1))
        return work

    def down(self, now: float, event: events.Down | events.Refused | events.HungUp) -> Work:
        """Nothing more will happen here; what only a living leg needs is let go."""
        self.state = DOWN
        self.ended_at = now
        self.unacked = self.session = None
        if self.invite is not None and self.answered_at is None:
            self.invite.shorten()
        work = self.close_questions()
        self.media = OfferAnswer()
        if self.reinvite is None:
            self.dialog = None
        else:
            work.append(StartTimer(self.key, "give up", now + PATIENCE))
        work += (event, ForgetLeg(self.key))
        return work
