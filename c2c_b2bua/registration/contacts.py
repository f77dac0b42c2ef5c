"""The Contacts of a REGISTER: what a phone wants bound and unbound, checked, and applied to what is bound (RFC 3261 §10.3)."""

from __future__ import annotations

from sys import intern

import msgspec

from c2c_b2bua import config
from c2c_b2bua.registration.binding import Binding, Bound, Unbound, device_of, preference_of
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import NameAddr, parse_contact
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reason import legible
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Work

LONGEST_URI = 512
LONGEST_TEXT = 255
"""Characters of a Call-ID, an instance; a longer User-Agent is cut."""
MOST_HOPS = 8


class Wish(msgspec.Struct, frozen=True):
    """One Contact; `expires` 0 unbinds it."""

    uri: Uri
    expires: int
    q: float
    instance: str
    reg_id: int


class Contacts(msgspec.Struct, kw_only=True):
    """All that a REGISTER says beside who it is for. No wish and not `unbinds_all`: it only asks what is bound."""

    call_id: str
    sequence: int
    user_agent: str
    path: tuple[str, ...]
    transport: str
    flow: Flow | None
    """Where the phone is reached; None: it came through a proxy."""
    unbinds_all: bool = False
    wishes: list[Wish] = []

    @classmethod
    def of(cls, request: Request, rules: config.Registrar) -> Contacts:
        """Read them; SipError for what cannot be bound, 423 for too short a time."""
        flow = request.flow
        assert flow is not None
        path = tuple(request.values("Path"))
        hops = len(request.values("Via"))
        said = cls(
            call_id=bounded(request.call_id, "Call-ID"),
            sequence=request.cseq.number,
            user_agent=intern((legible(request.get("User-Agent")) or "")[:LONGEST_TEXT]),  # a few kinds, many phones
            path=checked_path(path),
            transport=flow.transport,
            flow=request.via.reply_flow(flow) if hops == 1 and not path else None,
        )
        values = request.values("Contact")
        expires = seconds(request.get("Expires"), rules.default_expires)
        if "*" in values:
            if len(values) > 1 or request.get("Expires") is None or expires != 0:
                raise SipError("Contact: * stands alone, and with Expires: 0")
            said.unbinds_all = True
            return said
        if len(values) > rules.max_contacts:
            raise SipError(f"more than {rules.max_contacts} contacts", 403)
        knows_flows = "outbound" in request.tokens("Supported") | request.tokens("Require")
        said.wishes = [wish_of(parse_contact(value), expires, knows_flows, rules) for value in values]
        if said.is_outbound and hops > 1 and not (path and "ob" in NameAddr.parse(path[0]).uri.parameters):
            raise SipError("the Path has no ;ob", 439)
        return said

    @property
    def is_outbound(self) -> bool:
        """Whether a binding is a flow (RFC 5626 §6)."""
        return any(wish.reg_id for wish in self.wishes)

    def comes_late(self, binding: Binding) -> bool:
        """Whether a newer REGISTER of the same phone was here before (§10.3 step 7)."""
        return binding.call_id == self.call_id and self.sequence <= binding.sequence

    def applied(
        self, aor: str, before: list[Binding], most: int, tokens: Tokens, now: float
    ) -> tuple[list[Binding], Work] | None:
        """The bindings after this, at most `most`, and the news; None: it comes late, and nothing is done."""
        if self.unbinds_all:
            late = any(self.comes_late(binding) for binding in before)
            return None if late else ([], [Unbound(binding, "removed") for binding in before])
        after = {binding.id: binding for binding in before}
        news: Work = []
        mine: set[str] = set()
        for wish in self.wishes:
            old = next((b for b in after.values() if b.is_same_place(wish.uri, wish.instance, wish.reg_id)), None)
            if old is not None and old.id not in mine and self.comes_late(old):
                return None
            if wish.expires:
                binding = self.binding(aor, wish, old, tokens, now)
                after[binding.id] = binding
                mine.add(binding.id)
                news.append(Bound(binding, old is None))
            elif old is not None:
                del after[old.id]
                news.append(Unbound(old, "removed"))
        others = [binding for binding in after.values() if binding.id not in mine]
        others.sort(key=lambda binding: (not binding.is_lost, binding.refreshed_at))
        for binding in others:
            # Another URI over the same flow is the same phone, started anew. Of too many the oldest goes, so that
            # a phone that takes another port each time does not lock itself out.
            if (mine and self.is_same_flow(binding)) or len(after) > most:
                del after[binding.id]
                news.append(Unbound(binding, "replaced"))
        return list(after.values()), news

    def is_same_flow(self, binding: Binding) -> bool:
        return self.flow is not None and binding.flow == self.flow and not binding.is_lost

    def binding(self, aor: str, wish: Wish, old: Binding | None, tokens: Tokens, now: float) -> Binding:
        return Binding(
            id=tokens.token() if old is None else old.id,
            aor=aor,
            uri=str(wish.uri),
            call_id=self.call_id,
            sequence=self.sequence,
            registered_at=now if old is None else old.registered_at,
            refreshed_at=now,
            expires_at=now + wish.expires,
            q=wish.q,
            instance=wish.instance,
            reg_id=wish.reg_id,
            path=self.path,
            user_agent=self.user_agent,
            transport=self.transport,
            flow=self.flow,
        )


def wish_of(contact: NameAddr, expires: int, knows_flows: bool, rules: config.Registrar) -> Wish:
    """One Contact with the time it gets; SipError."""
    uri = contact.uri
    if not uri.is_sip:
        raise SipError(f"cannot call a {uri.scheme} URI", 416)
    if uri.headers:
        uri = msgspec.structs.replace(uri, headers="")  # no Request-URI has them (§19.1.1)
    if len(str(uri)) > LONGEST_URI:
        raise SipError("Contact too long", 513)
    if "expires" in contact.parameters:
        # What cannot be read counts as 3600 (§10.2.1.1); so does a parameter without a value.
        expires = seconds(contact.parameters["expires"] or "?", 3600)
    if 0 < expires < rules.min_expires:
        raise SipError("Interval Too Brief", 423)
    instance, reg_id = device_of(contact)
    instance = bounded(instance, "+sip.instance") if instance else ""
    return Wish(uri, min(expires, rules.max_expires), preference_of(contact), instance, reg_id if knows_flows else 0)


def seconds(text: str | None, default: int) -> int:
    """A number of seconds; the default where there is none, or none that can be read."""
    if text is None or not (text.isascii() and text.isdecimal()):
        return default
    return int(text) if len(text) < 10 else 10**9


def bounded(text: str, what: str) -> str:
    """SipError for what is longer than anybody needs, or not printable ASCII."""
    if len(text) > LONGEST_TEXT or not (text.isascii() and text.isprintable()):
        raise SipError(f"malformed {what}")
    return text


def checked_path(path: tuple[str, ...]) -> tuple[str, ...]:
    """The Path as a route set; SipError for one that leads nowhere."""
    if len(path) > MOST_HOPS:
        raise SipError("Path too long", 513)
    for value in path:
        hop = NameAddr.parse(value, "Path")
        if not hop.uri.is_sip or len(value) > LONGEST_URI or not value.isascii():
            raise SipError("malformed Path")
    return path
