"""One address of record kept registered (RFC 3261 §10.2, §10.3 step 7, §22; backing off as RFC 5626 §4.5).

A redirection is not followed: whoever registers us elsewhere is not who the operator trusts with our password.

REGISTER sip:acme.example.com    ->
                                 <- 401 with a challenge
REGISTER again, with credentials ->
                                 <- 200, our Contact expires in 3600 s     Registered
… a minute before that: the same again, credentials included …
REGISTER with Expires: 0         ->
                                 <- 200                                    Unregistered
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from c2c_b2bua.dialog.authentication import HEADERS, Authentication
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.grammar import delta_seconds
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action, SendRequest, StartTimer, Work

IDLE, REGISTERING, REGISTERED, WAITING, UNREGISTERING, OVER = (
    "IDLE", "REGISTERING", "REGISTERED", "WAITING", "UNREGISTERING", "OVER",
)  # fmt: skip
MARGIN = 60.0
"""Seconds before the end at which a binding is renewed: more than a request may take (timer F)."""
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 1800.0
"""Seconds until the next try after a failure that may pass; doubled each time, and cut by up to a half by lot."""
LONGEST = 86_400
"""Seconds of the longest binding we let a registrar talk us into."""


class Registered(Action, frozen=True, gc=False):
    """The registrar knows us for `seconds`."""

    aor: str
    seconds: int


class RegistrationFailed(Action, frozen=True, gc=False):
    """The registrar does not know us; `again_in` is when we try again, None: there is no point."""

    aor: str
    status: int
    reason: str
    again_in: float | None = None


class Unregistered(Action, frozen=True, gc=False):
    """The registrar has forgotten us, or never said."""

    aor: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who registers where."""

    user: str
    domain: str
    """Of the address of record, `sip:user@domain`."""
    registrar: str
    """SIP URI that REGISTER is sent to."""
    username: str = ""
    """Digest user; empty: a challenge is the end."""
    password: str = ""
    expires: int = 3600
    """Seconds asked for."""

    @property
    def aor(self) -> str:
        return f"sip:{self.user}@{self.domain}"


class Registration:
    """A binding of our Contact; `key` names it as owner of transactions and timers."""

    def __init__(self, key: str, identity: Identity, tokens: Tokens, refused_pause: float | None = None) -> None:
        """`refused_pause`: seconds until the next try after a refusal that is final; None: there is none."""
        self.key = key
        self.identity = identity
        self.tokens = tokens
        self.refused_pause = refused_pause
        self.authentication = Authentication(identity.username, identity.password, tokens)
        self.call_id = tokens.token()
        self.tag = tokens.tag()
        self.sequence = 0
        self.expires = identity.expires
        self.pause = FIRST_PAUSE
        self.state = IDLE

    @property
    def is_over(self) -> bool:
        return self.state == OVER

    def start(self) -> Work:
        """Register."""
        self.state = REGISTERING
        return self.ask(self.expires)

    def stop(self) -> Work:
        """Unregister; without a binding there is nothing to take back."""
        if self.state in (REGISTERED, REGISTERING):
            self.state = UNREGISTERING
            return self.ask(0)
        if self.state != UNREGISTERING:
            self.state = OVER
        return []

    def timer(self, name: str, now: float) -> Work:
        """`renew` a binding that ends soon, or try `again` after a failure."""
        if (self.state, name) in ((REGISTERED, "renew"), (WAITING, "again")):
            return self.start()
        return []

    def ask(self, expires: int) -> Work:
        self.sequence += 1
        identity = self.identity
        headers = {
            "Via": [],
            "Max-Forwards": ["70"],
            "From": [f"<{identity.aor}>;tag={self.tag}"],
            "To": [f"<{identity.aor}>"],
            "Call-ID": [self.call_id],
            "CSeq": [f"{self.sequence} REGISTER"],
            "Contact": [],
            "Expires": [str(expires)],
            "User-Agent": ["C2C-B2BUA"],
        }
        request = Request("REGISTER", f"sip:{identity.domain}", headers)
        self.authentication.sign(request)
        return [self.send(request)]

    def send(self, request: Request) -> SendRequest:
        return SendRequest(self.key, request, Uri.parse(self.identity.registrar))

    def responded(self, request: Request, response: Response, now: float) -> Work:
        """A response to one of our REGISTERs; one that a newer has overtaken says nothing any more."""
        status = response.status
        if status < 200 or request.cseq.number != self.sequence:
            return []
        if status in HEADERS and self.authentication.absorb(request, response, request.tries):
            self.sequence += 1
            return [self.send(self.authentication.again(request, self.sequence))]
        if self.state == UNREGISTERING:
            self.state = OVER
            return [Unregistered(self.identity.aor)]
        if status < 300:
            return self.accepted(request, response, now)
        shortest = delta_seconds(response.get("Min-Expires"))
        if status == 423 and shortest is not None and self.expires < shortest <= LONGEST:
            self.expires = shortest
            return self.ask(shortest)
        return self.failed(response, now)

    def accepted(self, request: Request, response: Response, now: float) -> Work:
        self.state, self.pause = REGISTERED, FIRST_PAUSE
        given = max(1, min(granted(request, response, self.expires), LONGEST))
        return [
            Registered(self.identity.aor, given),
            StartTimer(self.key, "renew", now + given - min(given / 2, MARGIN)),
        ]

    def failed(self, response: Response, now: float) -> Work:
        """Wait and try again what may pass (no answer, server trouble, `Retry-After`); all else is final."""
        status, aor = response.status, self.identity.aor
        asked = delta_seconds(response.get("Retry-After"))
        may_pass = status == 408 or 500 <= status < 600 or (asked is not None and status < 600)
        if not may_pass and self.refused_pause is None:
            self.state = OVER
            return [RegistrationFailed(aor, status, response.reason)]
        self.state = WAITING
        if not may_pass:
            wait = self.refused_pause or LONGEST_PAUSE
        elif asked is not None:
            wait = min(max(float(asked), 1.0), LONGEST_PAUSE)
        else:
            wait = self.pause * (500 + self.tokens.number(501)) / 1000
            self.pause = min(2 * self.pause, LONGEST_PAUSE)
        return [RegistrationFailed(aor, status, response.reason, wait), StartTimer(self.key, "again", now + wait)]


def granted(request: Request, response: Response, asked: int) -> int:
    """Seconds that our Contact was given: its own parameter, else Expires, else what we asked for (§10.2.4)."""
    with suppress(SipError):
        ours = NameAddr.parse(request.headers["Contact"][0], "Contact").uri
        for value in response.values("Contact"):
            with suppress(SipError):
                contact = NameAddr.parse(value, "Contact")
                text = contact.parameters.get("expires") or ""
                if same_place(contact.uri, ours) and text.isascii() and text.isdecimal() and len(text) < 10:
                    return int(text)
    expires = delta_seconds(response.get("Expires"))
    return asked if expires is None else expires


def same_place(one: Uri, other: Uri) -> bool:
    """Whether two Contacts lead to the same user at the same socket (§19.1.4, without parameters)."""
    return (one.user, one.host.lower(), one.port) == (other.user, other.host.lower(), other.port)
