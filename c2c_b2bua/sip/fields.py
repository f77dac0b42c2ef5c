"""The header fields that have a structure (RFC 3261 §20): `X.parse(text)` reads one, `str(x)` prints it."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import DEFAULT_PORTS, Flow, bracketed
from c2c_b2bua.sip.grammar import (
    AUTH_PARAM_PATTERN,
    CSEQ_PATTERN,
    GENERIC_PARAM_PATTERN,
    QUOTED_STRING_PATTERN,
    TOKEN_PATTERN,
    VIA_PATTERN,
    quote,
    unquote,
)
from c2c_b2bua.sip.uri import LONGEST_KNOWN, Uri

MAGIC_COOKIE = "z9hG4bK"
Parameters = dict[str, str | None]


def parse_parameters(text: str, position: int, what: str) -> Parameters:
    """Read `;name=value…` from `position` to the end of `text`; names become lower-case, quotes stay."""
    parameters: Parameters = {}
    end = len(text)
    while position < end:
        found = GENERIC_PARAM_PATTERN.match(text, position)
        if found is None:
            raise SipError(f"malformed parameter in {what}: {text[position : position + 40]!r}")
        name = found[1].lower()
        if name in parameters:
            raise SipError(f"parameter {name} twice in {what}")
        parameters[name] = found[2]
        position = found.end()
    return parameters


def print_parameters(parameters: Parameters) -> str:
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in parameters.items()])


class NameAddr(msgspec.Struct, frozen=True):
    """name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, Refer-To … (§20.10)."""

    uri: Uri
    display_name: str = ""
    parameters: Parameters = {}

    @classmethod
    def parse(cls, text: str, what: str = "address") -> NameAddr:
        """Read one; `what` names the header in the SipError."""
        text = text.strip(" \t")
        open_bracket = 0
        if text[:1] == '"':
            quoted = QUOTED_STRING_PATTERN.match(text)
            if quoted is None:
                raise SipError(f"unterminated quoted string in {what}")
            open_bracket = text.find("<", quoted.end())
            name = unquote(quoted[0])
            if open_bracket < 0 or text[quoted.end() : open_bracket].strip():
                raise SipError(f"malformed {what}: no <URI> after the display name")
        else:
            open_bracket = text.find("<")
            if open_bracket < 0 or 0 <= text.find('"') < open_bracket:
                # addr-spec: what follows the first ; belongs to the header, not to the URI (§20)
                address, semicolon, _ = text.partition(";")
                if "?" in address or "," in address:
                    raise SipError(f"malformed {what}: a URI with ? or , needs <>")
                parameters = parse_parameters(text, len(address), what) if semicolon else {}
                return cls(Uri.parse(address.strip()), "", parameters)
            name = text[:open_bracket].strip()
            if name and not all(TOKEN_PATTERN.fullmatch(word) or not word.isascii() for word in name.split()):
                raise SipError(f"malformed {what}: display name {name!r} needs quotes")
        close_bracket = text.find(">", open_bracket)
        if close_bracket < 0:
            raise SipError(f"malformed {what}: < without >")
        uri = Uri.parse(text[open_bracket + 1 : close_bracket])
        return cls(uri, name, parse_parameters(text, close_bracket + 1, what))

    @property
    def tag(self) -> str | None:
        return self.parameters.get("tag")

    @property
    def is_loose(self) -> bool:
        """A Route whose proxy follows RFC 3261 and not 2543 (§16.12)."""
        return "lr" in self.uri.parameters

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{print_parameters(self.parameters)}"


class Via(msgspec.Struct, frozen=True):
    """One hop of a request's way (§20.42); `host` and `port` are its sent-by."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = {}
    version: str = "2.0"
    """Kept, so that a request of another version can be refused over its own Via (RFC 4475 §3.1.2.16)."""

    @classmethod
    def parse(cls, text: str) -> Via:
        start, _, _ = text.partition(";")
        read = known_via_start if len(start) <= LONGEST_KNOWN else parse_via_start
        transport, host, port, version, length = read(start)
        return cls(transport, host, port, parse_parameters(text, length, "Via"), version)

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def received_over(self, flow: Flow) -> Via:
        """Add what the server sees of the client: `received` where it differs (§18.2.1), `rport` where asked (RFC 3581 §4)."""
        asked = "rport" in self.parameters
        if not asked and self.host == bracketed(flow.host):
            return self
        parameters = {**self.parameters, "received": flow.host}
        if asked:
            parameters["rport"] = str(flow.port)
        return Via(self.transport, self.host, self.port, parameters, self.version)

    def reply_flow(self, flow: Flow) -> Flow:
        """The way a response takes (§18.2.2, RFC 3581 §4): back over the stream, or to the source that sent the datagram."""
        if flow.is_reliable or "rport" in self.parameters:
            return flow
        return Flow(flow.interface, flow.host, self.port or 5060)

    def way_back(self, flow: Flow) -> Flow | None:
        """Where the response goes when the stream is gone (§18.2.2): the address it came from, the port of sent-by."""
        if flow.transport not in ("TCP", "TLS"):
            return None  # nobody can be called back over a WebSocket
        name = self.host.strip("[]") if flow.transport == "TLS" else ""
        return Flow(flow.interface, flow.host, self.port or DEFAULT_PORTS[flow.transport], 0, name)

    def __str__(self) -> str:
        return f"SIP/{self.version}/{self.transport} {self.sent_by}{print_parameters(self.parameters)}"


def parse_via_start(text: str) -> tuple[str, str, int | None, str, int]:
    """What stands before the parameters of a Via: transport, host, port, version, and how long it is."""
    found = VIA_PATTERN.match(text)
    if found is None:
        raise SipError(f"malformed Via {text[:60]!r}")
    port = int(found[5]) if found[5] else None
    if port is not None and port > 65535:
        raise SipError("port above 65535 in Via")
    return found[3].upper(), found[4].lower(), port, found[2], found.end()


known_via_start = lru_cache(maxsize=4096)(parse_via_start)
"""A phone says the same with every request."""


class CSeq(msgspec.Struct, frozen=True):
    """Sequence number (below 2**31) and method (§20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        found = CSEQ_PATTERN.fullmatch(text)
        if found is None or len(found[1]) > 10 or int(found[1]) >= 2**31:
            raise SipError(f"malformed CSeq {text[:40]!r}: expected a number below 2**31 and a method")
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


known_cseq = lru_cache(maxsize=4096)(CSeq.parse)
"""Every call begins with the same ones."""


@lru_cache(maxsize=4096)
def known_contact(text: str) -> NameAddr:
    """Phones send the same one over and over."""
    return NameAddr.parse(text, "Contact")


def parse_cseq(text: str) -> CSeq:
    return known_cseq(text) if len(text) <= LONGEST_KNOWN else CSeq.parse(text)


def parse_contact(text: str) -> NameAddr:
    return known_contact(text) if len(text) <= LONGEST_KNOWN else NameAddr.parse(text, "Contact")


class Challenge(msgspec.Struct, frozen=True):
    """WWW-Authenticate or Proxy-Authenticate (§20.27, §20.44), or credentials: a scheme and its parameters, unquoted."""

    scheme: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Challenge:
        scheme, _, rest = text.strip().partition(" ")
        if TOKEN_PATTERN.fullmatch(scheme) is None:
            raise SipError("malformed authentication header: expected a scheme")
        parameters: dict[str, str] = {}
        position, end = 0, len(rest)
        while position < end:
            found = AUTH_PARAM_PATTERN.match(rest, position)
            if found is None:
                raise SipError(f"malformed {scheme} parameters {rest[position : position + 40]!r}")
            parameters[found[1].lower()] = unquote(found[2])
            position = found.end()
        return cls(scheme, parameters)
