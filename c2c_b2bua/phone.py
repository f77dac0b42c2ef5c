"""A simulated phone: answers calls as it was told to, and obeys whoever talks to it (RFC 3261 §13.3, §14.2, §15).

It is a user of the same transaction layer as the B2BUA, and as pure: `c2c phone`, `c2c demo` and the simulation run it.
"""

from __future__ import annotations

import msgspec

from c2c_b2bua.dialog.unacked import PATIENCE
from c2c_b2bua.registration.registration import (
    Identity,
    Registration,
)
from c2c_b2bua.sdp import REVERSED, Origin, SessionDescription, held_answer, held_offer
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action, Reply, SendRequest, StartTimer, Work
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transaction.timings import T1, T2

RINGING, ANSWERED, TALKING, ENDING = "RINGING", "ANSWERED", "TALKING", "ENDING"
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO"
REGISTRATION = "the registration"
"""Key of its timers and transactions; a Call-ID has no spaces."""


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone behaves."""

    user: str = "phone"
    answer_after: float | None = 0.0
    """Seconds of ringing before it answers; None: it rings until the caller gives up."""
    hangup_after: float | None = None
    """Seconds of talking before it hangs up; None: it leaves that to the other side."""
    reply: int = 200
    """Final response to a call; another than 2xx refuses it, after `answer_after` seconds."""
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "telephone-event")
    media_port: int = 4000


class PhoneNews(Action, frozen=True, gc=False):
    """What a phone tells of a call: `RINGING`, `TALKING`, or `ENDED` (with the reason in `text`)."""

    call_id: str
    what: str
    text: str = ""


class PhoneCall:
    """One call of a phone; `key` is the server transaction of its INVITE."""

    __slots__ = ("deadline", "interval", "invite", "key", "local", "offered", "remote_target", "response", "routes",
                 "sequence", "state", "tag", "version")  # fmt: skip

    def __init__(self, key: str, invite: Request, tag: str) -> None:
        self.key = key
        self.invite = invite
        self.tag = tag
        self.state = RINGING
        self.sequence = 0
        self.version = 0
        self.local: SessionDescription | None = None
        self.response: Response | None = None
        self.interval = T1
        self.deadline = 0.0
        contact = invite.contact
        self.remote_target = contact.uri if contact else invite.address("From").uri
        self.routes = invite.values("Record-Route")


class Phone(TransactionLayer):
    """A user agent server for any number of calls at once, keyed by Call-ID."""

    def __init__(self, interfaces: Interfaces, tokens: Tokens, manners: Manners) -> None:
        super().__init__(interfaces, tokens)
        self.manners = manners
        self.calls: dict[str, PhoneCall] = {}
        self.registration: Registration | None = None

    # ── its place ────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, identity: Identity, now: float) -> list[Action]:
        """Tell a registrar where this phone is, until `switch_off`."""
        self.registration = Registration(REGISTRATION, identity, self.tokens)
        return self.settle(self.registration.start(), now)

    def switch_off(self, now: float) -> list[Action]:
        """End every call, and take the registration back."""
        actions = self.hang_up_all(now)
        return actions if self.registration is None else [*actions, *self.settle(self.registration.stop(), now)]

    @property
    def is_idle(self) -> bool:
        """No call, and no registration that is being taken back."""
        return not self.calls and (self.registration is None or self.registration.is_over)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def owner_of(self, request: Request) -> str:
        call = self.calls.get(request.call_id)
        return request.call_id if call is not None and (request.to_tag or call.tag) == call.tag else ""

    def requested(self, owner: str, key: str, request: Request, now: float) -> Work:
        call = self.calls.get(owner)
        match request.method:
            case "INVITE" if request.to_tag is None and call is None:
                return self.ring(key, request, now)
            case "INVITE" | "UPDATE" if call is not None and request.to_tag is not None:
                return self.renegotiate(call, key, request, now)
            case "BYE" if call is not None:
                work: Work = [Reply(key, request.response(200))]
                return work if call.state == ENDING else [*work, *self.end(owner, "the other side hung up")]
            case "OPTIONS" | "INFO":
                response = request.response(200, to_tag=self.tokens.tag())
                response.headers["Allow"] = [ALLOW]
                return [Reply(key, response)]
        if request.to_tag and call is None:
            return [Reply(key, request.response(481))]
        response = request.response(405, to_tag=self.tokens.tag())
        response.headers["Allow"] = [ALLOW]
        return [Reply(key, response)]

    def ring(self, key: str, request: Request, now: float) -> Work:
        """A call comes in: 180, and after a while the answer."""
        manners = self.manners
        call_id = request.call_id
        call = self.calls[call_id] = PhoneCall(key, request, self.tokens.tag())
        ringing = self.compose(call, request, 180)
        work: Work = [Reply(key, ringing), PhoneNews(call_id, RINGING, request.get("From") or "")]
        if manners.answer_after is not None:
            work.append(StartTimer(call_id, "answer", now + manners.answer_after))
        return work

    def acknowledged(self, owner: str, request: Request, now: float) -> Work:
        call = self.calls.get(owner)
        if call is None or call.state != ANSWERED or call.response is None:
            return []
        if request.cseq.number != call.response.cseq.number:
            return []
        first = call.response.cseq.number == call.invite.cseq.number
        call.state, call.response = TALKING, None
        work: Work = [PhoneNews(owner, TALKING)] if first else []
        if first and self.manners.hangup_after is not None:
            work.append(StartTimer(owner, "hang up", now + self.manners.hangup_after))
        return work

    def cancelled(self, owner: str, key: str, now: float) -> Work:
        for call_id, call in self.calls.items():
            if call.key == key and call.state == RINGING:
                refusal = call.invite.response(487, to_tag=call.tag)
                return [Reply(key, refusal), *self.end(call_id, "the caller gave up")]
        return []

    def renegotiate(self, call: PhoneCall, key: str, request: Request, now: float) -> Work:
        """A new offer inside the call; a phone that still waits for an ACK cannot take one (§14.2)."""
        if call.state == ENDING:
            return [Reply(key, request.response(481))]
        if request.method == "INVITE" and call.state != TALKING:
            response = request.response(500)
            response.headers["Retry-After"] = ["0"]
            return [Reply(key, response)]
        contact = request.contact
        if contact is not None:
            call.remote_target = contact.uri
        try:
            response = self.compose(call, request, 200)
        except SipError as error:
            return [Reply(key, request.response(error.status, error.reason))]
        if request.method == "UPDATE":
            return [Reply(key, response)]
        call.key = key
        return self.say_until_acknowledged(call, response, now)

    def say_until_acknowledged(self, call: PhoneCall, response: Response, now: float) -> Work:
        call.state, call.response = ANSWERED, response
        call.interval, call.deadline = T1, now + PATIENCE
        timer = StartTimer(response.call_id, f"2xx {response.cseq.number}", now + T1)
        return [Reply(call.key, response), timer]

    def compose(self, call: PhoneCall, request: Request, status: int) -> Response:
        """A response with all that makes a dialog; a 200 brings the answer, or an offer where none was made."""
        response = request.response(status, to_tag=call.tag)
        assert request.flow is not None
        interface = request.flow.interface
        response.headers["Contact"] = [interface.contact]
        response.headers["Allow"] = [ALLOW]
        if call.routes:
            response.headers["Record-Route"] = call.routes
        if status != 200 or (request.method == "UPDATE" and not request.body):
            return response
        manners = self.manners
        origin = Origin(manners.user, "1", call.version + 1, interface.host)
        if request.body:
            offer = SessionDescription.parse(request.body)
            answer = held_answer(offer, origin, interface.host, manners.codecs)
            answer = answer.with_direction(REVERSED[offer.direction])
        else:
            answer = held_offer(origin, interface.host, manners.codecs).with_direction("sendrecv")
        if not answer.has_live_media:
            raise SipError("Not Acceptable Here", 488)
        answer = answer.with_port(manners.media_port)
        if call.local is None or not call.local.same_media(answer):
            call.version += 1
            call.local = answer
        response.headers["Content-Type"] = ["application/sdp"]
        response.body = bytes(call.local)
        return response

    # ── timers and the end ───────────────────────────────────────────────────────────────────────────────────────

    def machine(self, key: str) -> PhoneTimers | Registration | None:
        if key == REGISTRATION:
            return self.registration
        return PhoneTimers(self, key) if key in self.calls else None

    def timer(self, call_id: str, name: str, now: float) -> Work:
        call = self.calls[call_id]
        if name == "answer" and call.state == RINGING:
            return self.answer(call, now)
        if name == "hang up" and call.state in (TALKING, ANSWERED):
            return self.hang_up(call_id)
        response = call.response
        if response is None or name != f"2xx {response.cseq.number}":
            return []
        if now >= call.deadline:
            return self.hang_up(call_id)
        call.interval = min(2 * call.interval, T2)
        return [Reply(call.key, response), StartTimer(call_id, name, now + call.interval)]

    def answer(self, call: PhoneCall, now: float) -> Work:
        status = self.manners.reply
        if status >= 300:
            refusal = call.invite.response(status, to_tag=call.tag)
            return [Reply(call.key, refusal), *self.end(call.invite.call_id, f"refused with {status}")]
        try:
            return self.say_until_acknowledged(call, self.compose(call, call.invite, 200), now)
        except SipError as error:
            refusal = call.invite.response(error.status, error.reason, call.tag)
            return [Reply(call.key, refusal), *self.end(call.invite.call_id, error.reason)]

    def hang_up(self, call_id: str) -> Work:
        """Send BYE."""
        call = self.calls[call_id]
        call.state = ENDING
        call.response = None
        call.sequence += 1
        invite = call.invite
        headers = {
            "Via": [],
            "Max-Forwards": ["70"],
            "From": [f"{invite.headers['To'][0]};tag={call.tag}"],
            "To": invite.headers["From"],
            "Call-ID": [call_id],
            "CSeq": [f"{call.sequence} BYE"],
        }
        hop = call.remote_target
        if call.routes:
            headers["Route"] = call.routes
            hop = NameAddr.parse(call.routes[0], "Record-Route").uri
        return [SendRequest(call_id, Request("BYE", str(call.remote_target), headers), hop)]

    def hang_up_all(self, now: float) -> list[Action]:
        """End every call: BYE where it talks, 480 where it rings."""
        work: Work = []
        for call_id, call in list(self.calls.items()):
            if call.state == RINGING:
                work += [
                    Reply(call.key, call.invite.response(480, to_tag=call.tag)),
                    *self.end(call_id, "switched off"),
                ]
            elif call.state != ENDING:
                work += self.hang_up(call_id)
        return self.settle(work, now)

    def end(self, call_id: str, text: str) -> Work:
        del self.calls[call_id]
        return [PhoneNews(call_id, "ENDED", text)]

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        if owner == REGISTRATION and self.registration is not None:
            return self.registration.responded(request, response, now)
        if owner not in self.calls or response.status < 200:
            return []
        return self.end(owner, "hung up")


class PhoneTimers(msgspec.Struct, frozen=True):
    """The timers of one call of a phone."""

    phone: Phone
    call_id: str

    def timer(self, name: str, now: float) -> Work:
        return self.phone.timer(self.call_id, name, now)


def uri_of(user: str, interfaces: Interfaces) -> Uri:
    """Where a phone can be called."""
    interface = interfaces.interfaces[0]
    transport = "" if interface.transport == "UDP" else f";transport={interface.transport.lower()}"
    return Uri.parse(f"sip:{user}@{interface.sent_by}{transport}")
