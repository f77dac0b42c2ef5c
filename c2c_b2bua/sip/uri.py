"""SIP and SIPS URIs (RFC 3261 §19.1); any other scheme is kept as it was written."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.grammar import ABSOLUTE_URI_PATTERN, SIP_URI_PATTERN, TOKEN_PATTERN

# §19.1.4: a URI that has one of these does not equal a URI without it.
SIGNIFICANT_PARAMETERS = ("user", "ttl", "method", "maddr", "transport")

SIP_SCHEMES = ("sip", "sips")
LONGEST_KNOWN = 256
"""Characters of a text that may be remembered, so that nobody fills our memory with long ones."""
ESCAPED_PATTERN = re.compile("[%`]")
"""Characters of a token that the name of a URI's parameter has only as escapes."""


class Uri(msgspec.Struct, frozen=True, array_like=True):
    """One URI. `scheme`, `host` and parameter names are lower-case; `opaque` holds what follows another scheme."""

    scheme: str
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str | None = None
    parameters: dict[str, str | None] = {}
    headers: str = ""
    opaque: str = ""

    @staticmethod
    def parse(text: str) -> Uri:
        """Read a URI without angle brackets; SipError 400 when it is none."""
        return known_uri(text) if len(text) <= LONGEST_KNOWN else parse_uri(text)

    @property
    def is_sip(self) -> bool:
        return self.scheme in SIP_SCHEMES

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, `""` without one."""
        return (self.parameters.get("transport") or "").lower()

    def __str__(self) -> str:
        scheme, user = self.scheme, self.user
        if scheme not in SIP_SCHEMES:
            return f"{scheme}:{self.opaque}"
        if user is None:
            text = f"{scheme}:{self.host}"
        elif self.password is None:
            text = f"{scheme}:{user}@{self.host}"
        else:
            text = f"{scheme}:{user}:{self.password}@{self.host}"
        if self.port is not None:
            text += f":{self.port}"
        for name, value in self.parameters.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return f"{text}?{self.headers}" if self.headers else text

    def equals(self, other: Uri) -> bool:
        """Compare as RFC 3261 §19.1.4 says: escapes resolved, case where it counts, parameters where both have them."""
        if not (self.is_sip and other.is_sip):
            return self == other
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        if unquote(self.user or "") != unquote(other.user or "") or (self.user is None) != (other.user is None):
            return False
        if (self.password or "") != (other.password or ""):
            return False
        for name in self.parameters.keys() | other.parameters.keys():
            in_both = name in self.parameters and name in other.parameters
            if in_both:
                mine, theirs = self.parameters[name] or "", other.parameters[name] or ""
                if unquote(mine).lower() != unquote(theirs).lower():
                    return False
            elif name in SIGNIFICANT_PARAMETERS:
                return False
        mine_headers = sorted(unquote(header).lower() for header in self.headers.split("&"))
        return mine_headers == sorted(unquote(header).lower() for header in other.headers.split("&"))


def parse_uri(text: str) -> Uri:
    """Read a URI."""
    found = SIP_URI_PATTERN.fullmatch(text)
    if found is None:
        other = ABSOLUTE_URI_PATTERN.fullmatch(text)
        if other is None or other[1].lower() in ("sip", "sips"):
            raise SipError(f"malformed URI {text!r}")
        return Uri(scheme=other[1].lower(), opaque=other[2])
    scheme, user, password, host, port, parameter_text, headers = found.groups()
    number = None
    if port is not None:
        number = int(port)
        if number > 65535:
            raise SipError(f"port above 65535 in URI {text!r}")
    parameters: dict[str, str | None] = {}
    if parameter_text:
        for parameter in parameter_text[1:].split(";"):
            name, equals, value = parameter.partition("=")
            if "%" in name:
                plain = unquote(name)
                # Only what can be written without an escape, so that it reads the same again.
                name = plain if TOKEN_PATTERN.fullmatch(plain) and not ESCAPED_PATTERN.search(plain) else name
            name = name.lower()
            if name in parameters:
                raise SipError(f"parameter {name} twice in URI {text!r}")
            parameters[name] = value if equals else None
    return Uri(
        scheme=scheme.lower(),
        host=host.lower(),
        port=number,
        user=user,
        password=password,
        parameters=parameters,
        headers=headers or "",
    )


known_uri = lru_cache(maxsize=4096)(parse_uri)
"""The same, remembered; the result is immutable and shared."""
