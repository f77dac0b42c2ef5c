"""One side of a call as ordered: where its INVITE goes, and what it says of the caller."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.uri import Uri


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whom a leg calls, and as whom; every field is checked before it comes here."""

    target: str
    """Whom the user named: a number or a URI. Kept in history, never sent."""
    uri: str
    """Request-URI and To of the INVITE, `sip:+14155550100@carrier.example`."""
    next_hop: str = ""
    """SIP URI that the INVITE is sent to, with `;lr` also named in its Route; empty: it goes to `uri` itself."""
    routes: tuple[str, ...] = ()
    """Route values of the INVITE, the Path that a phone registered by (RFC 3327); the first one is its next hop."""
    flow: Flow | None = None
    """The flow that the phone registered over (RFC 5626 §5.3): its requests go there whatever its Contact says."""
    trunk: str = ""
    """Name of the trunk, for history and limits; empty: no trunk."""
    from_uri: str
    """Who is calling, `sip:1001@acme.example.com`."""
    from_name: str = ""
    """Display name of the caller, unquoted; empty: none."""
    username: str = ""
    """Digest user for 401 and 407; empty: a challenge ends the leg."""
    password: str = ""
    ring_timeout: float = 30.0
    """Seconds from the INVITE to its final response."""
    delayed_offer: bool = False
    """The INVITE brings no description: the peer makes the offer in its 2xx, and our ACK answers it."""
    early_media: bool = False
    """What the peer plays before it answers is for the other side to hear."""
    session_expires: int = 1800
    """Seconds without a refresh after which the session shall end (RFC 4028); 0: as the peer wishes."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of the INVITE: names are tokens, values have no control characters."""
    aor: str = ""
    """Address of record that the phone has registered, with `uri` for its Contact; empty: it has not."""

    def without_password(self) -> Party:
        """As it may be written down: the configuration has the passwords of trunks."""
        return msgspec.structs.replace(self, password="") if self.password and self.trunk else self

    def with_password(self, passwords: Mapping[str, str]) -> Party:
        """As it was, by the passwords of the trunks that there are now."""
        password = passwords.get(self.trunk) if self.username and self.trunk else None
        return self if password is None else msgspec.structs.replace(self, password=password)

    @property
    def hop(self) -> Uri:
        """Where the INVITE goes first."""
        if self.routes:
            return NameAddr.parse(self.routes[0], "Path").uri
        return Uri.parse(self.next_hop or self.uri)
