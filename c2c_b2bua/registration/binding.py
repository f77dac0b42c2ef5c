"""A contact of an address of record: what a phone said of itself when it registered, and the way it came (RFC 3261 §10)."""

from __future__ import annotations

import msgspec

from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.flow import Flow, bracketed
from c2c_b2bua.sip.grammar import quote, unquote
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action


class Binding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One phone of a user, as it last registered. Times are seconds since 1970."""

    id: str
    """16 hex digits, the same for as long as it is renewed."""
    aor: str
    """`1001@acme.example.com`."""
    uri: str
    """The Contact: Request-URI of our calls."""
    call_id: str
    sequence: int
    registered_at: float
    refreshed_at: float
    expires_at: float
    q: float = 1.0
    """Preference, 0 to 1."""
    instance: str = ""
    """`<urn:uuid:…>`: names the device (RFC 5626 §4.1)."""
    reg_id: int = 0
    """Which of the device's flows this is; 0: it registers as RFC 3261 has it, one contact a URI."""
    path: tuple[str, ...] = ()
    """Route values that lead to it (RFC 3327)."""
    user_agent: str = ""
    transport: str
    flow: Flow | None
    """Where it is reached: the way its responses go. None: by its Path or Contact, it registered through a proxy."""
    is_lost: bool = False
    """Its stream is gone; nobody can call it until it registers again."""

    @property
    def preference(self) -> tuple[float, float]:
        """Sorts the contacts of a user: highest q first, then the one heard of last."""
        return (-self.q, -self.refreshed_at)

    @property
    def flow_there(self) -> Flow:
        """Its flow, where it is known to have one."""
        assert self.flow is not None
        return self.flow

    @property
    def is_behind_nat(self) -> bool:
        """Whether its datagrams come from elsewhere than it says."""
        return self.transport == "UDP" and Uri.parse(self.uri).host != bracketed(self.flow_there.host)

    def is_same_place(self, uri: Uri, instance: str, reg_id: int) -> bool:
        """Whether a Contact means this binding: the same flow of a device (RFC 5626 §6), or an equal URI."""
        if reg_id or self.reg_id:
            return (instance, reg_id) == (self.instance, self.reg_id)
        return self.uri == str(uri) or Uri.parse(self.uri).equals(uri)

    def shown(self, now: float) -> str:
        """A Contact value of our 200 (§10.3 step 8)."""
        text = f"<{self.uri}>;expires={max(1, int(self.expires_at - now))}"
        if self.q != 1.0:
            text += f";q={self.q:.3g}"
        if self.instance:
            text += f";+sip.instance={quote(self.instance)}"
        return f"{text};reg-id={self.reg_id}" if self.reg_id else text


class Bound(Action, frozen=True, gc=False):
    """A phone has registered, or has renewed its registration."""

    binding: Binding
    is_new: bool


class Unbound(Action, frozen=True, gc=False):
    """A phone is gone."""

    binding: Binding
    why: str
    """`expired`, `removed` (it said so), or `replaced` (another one took its place)."""


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """Who may register, `sip:<user>@<domain>`."""

    user: str
    domain: str
    username: str = ""
    """Another name it may give itself, in the address of record and for its password."""
    password: str

    @property
    def aor(self) -> str:
        return f"{self.user}@{self.domain}"


def preference_of(contact: NameAddr) -> float:
    """The q of a Contact, 1 where it has none that can be read."""
    try:
        q = float(contact.parameters.get("q") or 1.0)
    except ValueError:
        return 1.0
    return q if 0.0 <= q <= 1.0 else 1.0


def device_of(contact: NameAddr) -> tuple[str, int]:
    """(instance, reg-id) of a Contact; a reg-id without an instance says nothing (RFC 5626 §6)."""
    instance = unquote(contact.parameters.get("+sip.instance") or "")
    text = contact.parameters.get("reg-id") or ""
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    return instance, int(text) if instance and is_number else 0
