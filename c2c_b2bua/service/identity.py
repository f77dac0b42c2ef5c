"""Who a trunk is told is calling: exactly what its profile says (RFC 3261 §20.20, RFC 3323, RFC 3325, RFC 5806).

Profile `from_user = "acme"`, `identity = "pai"`, `privacy = "id"`, and a caller 0123 named Sales:

    From: "Sales" <sip:acme@carrier.example>
    P-Asserted-Identity: "Sales" <sip:0123@carrier.example>
    Privacy: id
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

import msgspec

from c2c_b2bua.config import Trunk
from c2c_b2bua.numbers import is_uri
from c2c_b2bua.sip.fields import NameAddr
from c2c_b2bua.sip.uri import Uri

SIP_USER = re.compile(r"sips?:([^@;?]+)@", re.IGNORECASE)
ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""RFC 3323 §4.1.1.3."""
HIDING = frozenset({"id", "user", "header"})
"""Kinds of privacy with which From names nobody."""
IDENTITY_HEADERS = {"pai": "P-Asserted-Identity", "ppi": "P-Preferred-Identity"}


class Identity(msgspec.Struct, frozen=True):
    """What an INVITE says of the caller."""

    from_uri: str
    from_name: str
    headers: tuple[tuple[str, str], ...] = ()


def present(profile: Trunk, host: str, number: str, name: str) -> Identity:
    """The caller `number`, named `name`, by this profile; `host` is that of the proxy."""
    at = profile.from_host or host
    name = (profile.from_name or name) if isinstance(profile.from_name, str) else ""
    caller = f"sip:{as_user(number)}@{at}"
    privacy = profile.privacy.replace(" ", "")
    is_hidden = not HIDING.isdisjoint(privacy.split(";"))
    headers = []
    if profile.identity == "rpid":
        hidden = "full" if is_hidden else "off"
        value = NameAddr(Uri.parse(caller), name, {"party": "calling", "screen": "yes", "privacy": hidden})
        headers.append(("Remote-Party-ID", str(value)))
    elif profile.identity != "none":
        headers.append((IDENTITY_HEADERS[profile.identity], str(NameAddr(Uri.parse(caller), name))))
    if privacy:
        headers.append(("Privacy", privacy))
    if profile.diversion:
        value = NameAddr(Uri.parse(f"sip:{as_user(profile.diversion)}@{at}"), "", {"reason": "unconditional"})
        headers.append(("Diversion", str(value)))
    if profile.from_user:
        return Identity(f"sip:{as_user(profile.from_user)}@{at}", name, tuple(headers))
    if is_hidden:
        return Identity(ANONYMOUS, "Anonymous", tuple(headers))
    return Identity(caller, name, tuple(headers))


@lru_cache(maxsize=4096)
def as_user(number: str) -> str:
    """The user part of a SIP URI that shows this number; of a URI, its own user part."""
    if is_uri(number):
        found = SIP_USER.match(number)
        return found[1] if found else "anonymous"
    return quote(number, safe="+*!~'()&=$,;?/-._") or "anonymous"
