"""A phone as text: what it sends to a core that is open for registrations, and what it gets back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from c2c_b2bua import config
from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.registration.binding import Bound, Subscriber, Unbound
from c2c_b2bua.sip.digest import credentials
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send

UDP = Interface("UDP", "192.0.2.1", 5060)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
WS = Interface("WS", "192.0.2.1", 5080, 2)
DOMAIN = "acme.example.com"
AOR = f"1001@{DOMAIN}"
ALICE = Subscriber(user="1001", domain=DOMAIN, username="alice", password="secret")
BOB = Subscriber(user="1002", domain=DOMAIN, password="other")
NOW = 1_000_000.0
branches = count()


def core(
    rules: config.Registrar | None = None, subscribers: Sequence[Subscriber] = (ALICE, BOB), strangers: bool = False
) -> B2bua:
    """A core where these may register."""
    made = B2bua(Interfaces([UDP, TCP]), Tokens(b"core"), strangers)
    made.registrar.open(rules or config.Registrar(), subscribers, b"nonces", NOW - 1000)
    return made


class DeskPhone:
    """Registers as `user` from `flow`; `now` is its clock, and the core's."""

    def __init__(self, b2bua: B2bua, user: str = "1001", password: str = "secret", flow: Flow | None = None) -> None:
        self.core = b2bua
        self.user = user
        self.name = user
        """Digest username."""
        self.password = password
        self.flow = flow or Flow(UDP, "203.0.113.5", 40000)
        self.call_id = f"desk-{next(branches)}"
        self.sequence = 0
        self.now = NOW
        self.news: list[Bound | Unbound] = []
        self.challenge: Challenge | None = None
        self.uses = 0
        self.via = f"SIP/2.0/{self.flow.transport} 192.168.1.10:5060;rport"

    def give(self, data: bytes) -> list[Action]:
        actions = self.core.receive(data, self.flow, self.now)
        self.news += [action for action in actions if isinstance(action, (Bound, Unbound))]
        return actions

    def text(self, *more: str, to: str = "", sender: str = "", uri: str = f"sip:{DOMAIN}") -> bytes:
        self.sequence += 1
        to = to or f"<sip:{self.user}@{DOMAIN}>"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: {self.via};branch=z9hG4bK{next(branches)}",
            "Max-Forwards: 70",
            f"From: {sender or to};tag=mine",
            f"To: {to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} REGISTER",
            *more,
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def ask(self, *more: str, **parts: str) -> Response | None:
        """One REGISTER with these further header lines; None: nothing came back."""
        sent = [action for action in self.give(self.text(*more, **parts)) if isinstance(action, Send)]
        assert len(sent) <= 1
        if not sent:
            return None
        response = parse(sent[0].data)
        assert isinstance(response, Response)
        return response

    def authorization(self, index: int = 0, uri: str = f"sip:{DOMAIN}") -> str:
        """A header line that answers the last challenge, one more use of its nonce."""
        assert self.challenge is not None
        self.uses += 1
        return "Authorization: " + credentials(
            self.challenge, self.name, self.password, "REGISTER", uri, self.uses, f"cnonce{self.uses}"
        )

    def challenged(self, response: Response | None, index: int = 0) -> None:
        """Take a challenge of a 401."""
        assert response is not None
        assert response.status == 401, response.reason
        self.challenge = Challenge.parse(response.headers["WWW-Authenticate"][index])
        self.uses = 0

    def register(self, *more: str, contact: str = "<sip:1001@192.168.1.10:5060>", **parts: str) -> Response:
        """With credentials; `contact` empty asks what is bound."""
        lines = [*more, *([f"Contact: {contact}"] if contact else [])]
        if self.challenge is None:
            self.challenged(self.ask(*lines, **parts))
        response = self.ask(*lines, self.authorization(), **parts)
        assert response is not None
        if response.status == 401 and "stale=true" in response.headers["WWW-Authenticate"][0]:
            self.challenged(response)
            response = self.ask(*lines, self.authorization(), **parts)
            assert response is not None
        return response

    @property
    def uris(self) -> list[str]:
        """Where the core would call its user, in that order."""
        return [binding.uri for binding in self.core.registrar.contacts(AOR, self.now)]


def tcp(connection: int, host: str = "203.0.113.5") -> Flow:
    return Flow(TCP, host, 50000 + connection, connection)


def websocket(connection: int) -> Flow:
    return Flow(WS, "203.0.113.5", 50000 + connection, connection)
