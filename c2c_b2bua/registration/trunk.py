"""What we do with a carrier besides calls: register with it, and ask whether it is there (RFC 3261 §10.2, §11).

OPTIONS sip:carrier.example   ->
                              <- 200, 404, 405 …, whatever it is: the carrier is there
… `interval` later, the same; without an answer, or after a 503 or 408, a little later …
OPTIONS sip:carrier.example   ->
                                 nothing, for the second time: the carrier is down
… a little later …
OPTIONS sip:carrier.example   ->
                              <- 200: it is back
"""

from __future__ import annotations

import msgspec

from c2c_b2bua.registration.registration import (
    OVER,
    Identity,
    Registered,
    Registration,
    RegistrationFailed,
    Unregistered,
)
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.reason import legible
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action, SendRequest, StartTimer, Work

PATIENCE = 5.0
"""Seconds in which an OPTIONS has to be answered."""
MISSES = 2
"""OPTIONS without an answer, one after the other, that make a trunk down."""
SOON = 10.0
"""Seconds until the next OPTIONS after one that was not answered, unless the interval is shorter."""
REFUSED_PAUSE = 3600.0
"""Seconds until we try again with a registrar that refused us: nothing but the operator can help."""
REGISTERING = "registering"


class TrunkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be done with a trunk."""

    trunk: str
    proxy: str
    """SIP URI that OPTIONS are sent to."""
    from_uri: str
    """Who asks."""
    identity: Identity | None = None
    """As whom to register, and where; None: not at all."""
    options_interval: float = 0.0
    """Seconds between two OPTIONS; 0: none."""


class TrunkChanged(Action, frozen=True, gc=False):
    """How it stands with a trunk at time `at`; sent whenever that is something else than before."""

    trunk: str
    at: float
    is_registered: bool | None = None
    """None: it does not have to be."""
    is_there: bool | None = None
    """Whether it answers OPTIONS; None: not known (yet)."""
    reason: str = ""
    """Why it is not registered, or not there."""
    until: float | None = None
    """When the registration ends, unless it is renewed."""
    again_at: float | None = None
    """When the next REGISTER is sent, after one that failed."""


class TrunkLine:
    """One trunk; `key` names it as owner of transactions and timers: no Call-ID has a space."""

    def __init__(self, order: TrunkOrder, tokens: Tokens) -> None:
        self.order = order
        self.tokens = tokens
        self.key = f"trunk {order.trunk}"
        self.registration: Registration | None = None
        if order.identity is not None:
            self.registration = Registration(self.key, order.identity, tokens, REFUSED_PAUSE)
        self.told = TrunkChanged(order.trunk, 0.0)
        self.is_registered = None if order.identity is None else False
        self.registered_reason = "" if order.identity is None else REGISTERING
        self.until: float | None = None
        self.again_at: float | None = None
        self.is_there: bool | None = None
        self.missed_reason = ""
        self.call_id = tokens.token()
        self.tag = tokens.tag()
        self.sequence = 0
        self.unanswered = 0
        """Sequence of the OPTIONS whose answer is waited for; 0: none."""
        self.misses = 0
        self.is_stopped = False

    @property
    def is_over(self) -> bool:
        """Stopped, and no longer registered as far as we know."""
        return self.is_stopped and (self.registration is None or self.registration.state == OVER)

    def start(self, now: float) -> Work:
        work: Work = []
        if self.registration is not None:
            work += self.registration.start()
        if self.order.options_interval:
            work += self.probe(now)
        return [*work, *self.tell(now)]

    def stop(self, now: float) -> Work:
        """Unregister; no more OPTIONS."""
        self.is_stopped = True
        return self.heard(self.registration.stop(), now) if self.registration is not None else []

    def timer(self, name: str, now: float) -> Work:
        what, _, number = name.partition(" ")
        if what in ("probe", "overdue"):
            if self.is_stopped or int(number) != self.sequence:
                return []
            if what == "probe":
                return self.probe(now)
            return self.missed("no answer to OPTIONS", now) if self.unanswered == self.sequence else []
        return self.heard(self.registration.timer(name, now), now) if self.registration is not None else []

    def responded(self, request: Request, response: Response, is_local: bool, now: float) -> Work:
        """A response to a REGISTER or OPTIONS of ours."""
        if request.method == "REGISTER" and self.registration is not None:
            return self.heard(self.registration.responded(request, response, now), now)
        if response.status < 200 or self.is_stopped:
            return []
        number = request.cseq.number
        if response.status not in (408, 503):
            return self.answered(now, again=number == self.unanswered)
        if number != self.unanswered:
            return []
        reason = f"{response.status} {response.reason}".strip()
        if is_local and response.status == 503 and response.reason == REASON_PHRASES[503]:
            reason = "nobody can be reached there"
        return self.missed(f"OPTIONS: {reason}", now)

    # ── OPTIONS ──────────────────────────────────────────────────────────────────────────────────────────────────

    def probe(self, now: float) -> Work:
        self.sequence += 1
        self.unanswered = self.sequence
        proxy = Uri.parse(self.order.proxy)
        headers = {
            "Via": [],
            "Max-Forwards": ["70"],
            "From": [f"<{self.order.from_uri}>;tag={self.tag}"],
            "To": [f"<{self.order.proxy}>"],
            "Call-ID": [self.call_id],
            "CSeq": [f"{self.sequence} OPTIONS"],
            "Contact": [],
            "Accept": ["application/sdp"],
            "User-Agent": ["C2C-B2BUA"],
        }
        return [
            SendRequest(self.key, Request("OPTIONS", str(proxy), headers), proxy),
            StartTimer(self.key, f"overdue {self.sequence}", now + PATIENCE),
        ]

    def answered(self, now: float, again: bool) -> Work:
        """It is there, perhaps after we had given up waiting; `again`: the next OPTIONS has not been arranged for."""
        self.misses, self.is_there, self.missed_reason = 0, True, ""
        if not again:
            return self.tell(now)
        self.unanswered = 0
        # By lot a tenth sooner or later, so that many trunks are not asked at once for ever.
        wait = self.order.options_interval * (900 + self.tokens.number(201)) / 1000
        return [StartTimer(self.key, f"probe {self.sequence}", now + wait), *self.tell(now)]

    def missed(self, reason: str, now: float) -> Work:
        self.unanswered = 0
        self.misses += 1
        if self.misses >= MISSES:
            self.is_there, self.missed_reason = False, reason
        wait = min(SOON, self.order.options_interval)
        return [StartTimer(self.key, f"probe {self.sequence}", now + wait), *self.tell(now)]

    # ── the registration ─────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, work: Work, now: float) -> Work:
        """What the registration wants done, its news becoming ours."""
        rest: Work = []
        for action in work:
            match action:
                case Registered():
                    self.is_registered, self.registered_reason = True, ""
                    self.until, self.again_at = now + action.seconds, None
                case RegistrationFailed():
                    self.is_registered, self.until = False, None
                    self.registered_reason = f"REGISTER: {action.status} {action.reason}".strip()
                    self.again_at = None if action.again_in is None else now + action.again_in
                case Unregistered():
                    self.is_registered, self.registered_reason, self.until = False, "unregistered", None
                case _:
                    rest.append(action)
        return [*rest, *self.tell(now)]

    def tell(self, now: float) -> Work:
        """How it stands, if that is news."""
        reason = legible(self.registered_reason or self.missed_reason) or ""
        found = TrunkChanged(
            self.order.trunk, self.told.at, self.is_registered, self.is_there, reason, self.until, self.again_at
        )
        if found == self.told:
            return []
        self.told = msgspec.structs.replace(found, at=now)
        return [self.told]
