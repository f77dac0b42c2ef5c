"""One leg on real transactions, without call or wire: its events are kept, the test is its peer."""

from __future__ import annotations

from typing import Any

from c2c_b2bua.dialog.events import LegEvent
from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.dialog.leg_requests import acknowledged, cancelled, is_of_dialog, receive_request
from c2c_b2bua.dialog.leg_responses import receive_response
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.stranger import answer_stranger
from c2c_b2bua.sdp import Origin, SessionDescription, held_offer
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.reason import HUNG_UP, Why
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Reply, Send, Work
from c2c_b2bua.transaction.layer import TransactionLayer

UDP = Interface("UDP", "192.0.2.1", 5060)
PEER = Flow(UDP, "192.0.2.9", 5060)
OFFER = held_offer(Origin("c2c", "7", 1, "192.0.2.1"), "192.0.2.1", ("PCMU",))
CONTACT = "<sip:bob@192.0.2.9:5060>"


def sdp(port: int = 4000, version: int = 1, more: str = "") -> bytes:
    return (
        f"v=0\r\no=bob 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n{more}"
    ).encode()


class OneLeg(TransactionLayer):
    """`sent` what the leg put on the wire, `events` what it told, both since they were last asked for."""

    def __init__(self, **party: Any) -> None:
        super().__init__(Interfaces([UDP]), Tokens(b"x" * 32))
        self.party = Party(target="bob", uri="sip:bob@192.0.2.9", from_uri="sip:c2c@example.com", **party)
        self.leg = Leg("call", "a", self.party, self.tokens)
        self.now = 0.0
        self.wire: list[bytes] = []
        self.told: list[LegEvent] = []
        self.count = 0

    # ── as user of the layer ─────────────────────────────────────────────────────────────────────────────────────

    def owner_of(self, request: Request) -> str:
        return self.leg.key if request.call_id == self.leg.key and is_of_dialog(self.leg, request) else ""

    def requested(self, owner: str, key: str, request: Request, now: float) -> Work:
        if not owner:
            return [Reply(key, answer_stranger(request, self.tokens.tag()))]
        return receive_request(self.leg, key, request, now)

    def acknowledged(self, owner: str, request: Request, now: float) -> Work:
        return acknowledged(self.leg, request, now) if owner else []

    def cancelled(self, owner: str, key: str, now: float) -> Work:
        return cancelled(self.leg, key) if owner else []

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        return receive_response(self.leg, request, response, is_local, now)

    def machine(self, key: str) -> Leg | None:
        return self.leg if key == self.leg.key else None

    # ── as the test's hands ──────────────────────────────────────────────────────────────────────────────────────

    def do(self, work: Work) -> None:
        """Settle what a command of the leg returned."""
        self.keep(self.settle(work, self.now))

    def keep(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.wire.append(action.data)
            elif isinstance(action, LegEvent):
                self.told.append(action)

    def sent(self) -> list[Request | Response]:
        """What went out since the last time."""
        wire, self.wire = self.wire, []
        return [parse(data) for data in wire]

    def starts(self) -> list[str]:
        """The same, as start lines and CSeq methods of responses."""
        return [
            message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
            for message in self.sent()
        ]

    def one_request(self) -> Request:
        """The one request that went out since the last time."""
        (found,) = self.sent()
        assert isinstance(found, Request)
        return found

    def one_response(self) -> Response:
        (found,) = self.sent()
        assert isinstance(found, Response)
        return found

    def events(self) -> list[LegEvent]:
        told, self.told = self.told, []
        return told

    def wait(self, until: float) -> None:
        """Let all timers act that are due by then."""
        while (due := self.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self.keep(self.tick(self.now))
        self.now = until

    # ── as the peer ──────────────────────────────────────────────────────────────────────────────────────────────

    def ring(self) -> Request:
        self.do(self.leg.ring(OFFER, self.now))
        return self.one_request()

    def answer(self, request: Request, status: int, tag: str = "theirs", body: bytes = b"", **headers: str) -> None:
        """The peer answers; header names with _ for -."""
        response = request.response(status, to_tag=tag if status > 100 else "")
        if 100 < status < 300:
            response.headers["Contact"] = [CONTACT]
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = [value]
        if body:
            response.headers.setdefault("Content-Type", ["application/sdp"])
            response.body = body
        self.keep(self.receive(bytes(response), PEER, self.now))

    def ask(self, method: str, number: int, body: bytes = b"", branch: str = "", **headers: str) -> Request:
        """The peer sends a request in the dialog."""
        dialog, invite = self.leg.dialog, self.leg.invite
        assert dialog is not None and invite is not None
        self.count += 1
        request = Request(
            method,
            "sip:c2c@192.0.2.1:5060",
            {
                "Via": [f"SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{branch or f'peer{self.count}'}"],
                "From": [dialog.remote],
                "To": [dialog.local],
                "Call-ID": [self.leg.key],
                "CSeq": [f"{number} {method}"],
                "Contact": [CONTACT],
            },
            body,
        )
        if body:
            request.headers["Content-Type"] = ["application/sdp"]
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = [value]
        self.keep(self.receive(bytes(request), PEER, self.now))
        return request

    def up(self) -> OneLeg:
        """Answered and acknowledged, with nothing left to read."""
        self.answer(self.ring(), 200, body=sdp())
        self.wire.clear()
        self.told.clear()
        return self

    def hang_up(self, why: Why = HUNG_UP) -> None:
        self.do(self.leg.hang_up(why, self.now))


def described(port: int) -> SessionDescription:
    return SessionDescription.parse(sdp(port))
