"""What is asked of the core: two parties to be rung one after the other, and joined."""

from __future__ import annotations

from typing import Literal

import msgspec


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the call as ordered: where its INVITE goes, and what it says of the caller."""

    target: str
    """Whom the user named: a number or a URI. Kept in history, never sent."""
    uri: str
    """Request-URI and To of the INVITE, `sip:+14155550100@carrier.example`."""
    next_hop: str = ""
    """SIP URI of an outbound proxy; empty: the INVITE goes to `uri` itself."""
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
    offer: Literal["held", "none"] = "held"
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of the INVITE, already checked: names are tokens, values have no control characters."""


class CallOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One call: ring `a`; on its 200 OK ring `b`; join them."""

    call_id: str
    """The call's id in API and history, `c2c-<32 hex>-<10 hex>`; the legs have SIP Call-IDs of their own."""
    a: Party
    b: Party
    bridge: Literal["reinvite"] = "reinvite"
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "telephone-event")
    max_duration: float = 14400.0
    """Seconds from the order to the end, whatever happens."""
