"""Requests and responses (RFC 3261 §7): the head as text, the body as bytes, fields read when first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import MAGIC_COOKIE, Challenge, CSeq, NameAddr, Via, parse_contact, parse_cseq
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.grammar import has_bare, split_list
from c2c_b2bua.sip.headers import SINGLE_HEADERS
from c2c_b2bua.sip.phrases import REASON_PHRASES
from c2c_b2bua.sip.uri import Uri

Headers = dict[str, list[str]]
"""Canonical name -> raw values, in the order of the wire."""

MAX_FORWARDS_PATTERN = re.compile(r"0*(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])")
MISSING: list[str] = []
NO_HEADERS: Headers = {}
"""Of all messages that are only remembered; never added to."""
LASTING_HEADERS = ("Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Route", "Authorization",
                   "Proxy-Authorization")  # fmt: skip


@lru_cache(maxsize=256)
def names_of(headers: tuple[str, ...]) -> list[str]:
    """What stands between the start line and the values of these headers, and behind each; every other place is empty."""
    places = [""]
    for name in (*headers, "Content-Length"):
        if has_bare(name):
            raise ValueError(f"a line end or NUL in the name of a header: {name!r}")
        places += (f"\r\n{name}: ", "")
    return places


class Message:
    """What requests and responses share. Do not change `headers` of a message once it was printed or read."""

    __slots__ = ("addresses", "body", "flow", "headers", "read_cseq", "read_to_tag", "read_via")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.flow: Flow | None = None
        """The way it came, or the way it was sent."""
        self.read_via: Via | None = None
        self.read_cseq: CSeq | None = None
        self.read_to_tag: str | None = None
        self.addresses: dict[str, NameAddr] | None = None
        """From and To, once they were read."""

    def get(self, name: str) -> str | None:
        """The first value of a header, raw."""
        values = self.headers.get(name)
        return values[0] if values else None

    def values(self, name: str) -> list[str]:
        """All values of a header that is a comma list, in order."""
        return [part for value in self.headers.get(name, MISSING) for part in split_list(value) if part]

    def tokens(self, name: str) -> frozenset[str]:
        """The members of a list of tokens, such as Supported or Allow."""
        return frozenset(self.values(name))

    def required(self, name: str) -> str:
        values = self.headers.get(name)
        if not values or not values[0]:
            raise SipError(f"missing {name}")
        return values[0]

    @property
    def via(self) -> Via:
        """The topmost Via."""
        via = self.read_via
        if via is None:
            text = self.required("Via")
            via = self.read_via = Via.parse(split_list(text)[0] if "," in text else text)
        return via

    @property
    def branch(self) -> str:
        """The branch of the topmost Via, found without reading the rest where that is certain."""
        values = self.headers.get("Via")
        text = values[0] if values else self.required("Via")
        start = text.find(";branch=")
        if start < 0 or "," in text or '"' in text:
            return self.via.branch
        start += 8
        end = text.find(";", start)
        return (text[start:end] if end > 0 else text[start:]).strip(" \t")

    @property
    def cseq(self) -> CSeq:
        cseq = self.read_cseq
        if cseq is None:
            cseq = self.read_cseq = parse_cseq(self.required("CSeq"))
        return cseq

    @property
    def call_id(self) -> str:
        return self.required("Call-ID")

    def address(self, name: str) -> NameAddr:
        """From or To."""
        if self.addresses is None:
            self.addresses = {}
        address = self.addresses.get(name)
        if address is None:
            address = self.addresses[name] = NameAddr.parse(self.required(name), name)
        return address

    def tag(self, name: str) -> str | None:
        """The tag of From or To, found without reading the rest where that is certain."""
        address, _, tag = self.required(name).partition(">;tag=")
        if address and tag and ";" not in tag and '"' not in tag:
            return tag.strip(" \t")
        return self.address(name).tag

    @property
    def from_tag(self) -> str | None:
        return self.tag("From")

    @property
    def to_tag(self) -> str | None:
        tag = self.read_to_tag
        if tag is None:
            tag = self.read_to_tag = self.tag("To")
        return tag

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact; None without one, or for `*`."""
        values = self.headers.get("Contact")
        if not values:
            return None
        text = values[0]
        if len(values) == 1 and text and text != "*" and "," not in text:
            return parse_contact(text)
        values = self.values("Contact")
        return parse_contact(values[0]) if values and values[0] != "*" else None

    def challenges(self, name: str) -> list[Challenge]:
        """WWW-Authenticate, Proxy-Authenticate, Authorization or Proxy-Authorization; one header each."""
        return [Challenge.parse(value) for value in self.headers.get(name, MISSING)]

    @property
    def content_type(self) -> str:
        """media type in lower case without parameters, `""` without a body type."""
        return (self.get("Content-Type") or "").partition(";")[0].strip().lower()

    def shorten(self) -> None:
        """Keep what a request is known by, and what its ACK, its CANCEL or the dialog of a late 2xx is made of."""
        headers = self.headers
        self.headers = {name: headers[name] for name in LASTING_HEADERS if name in headers}
        self.body = b""

    def let_go(self) -> None:
        """Keep only what was read of it; for a message that is only remembered."""
        self.headers, self.body = NO_HEADERS, b""

    def start_line(self) -> str:
        raise AssertionError("a message is a Request or a Response")

    def check_identity(self) -> None:
        raise AssertionError("a message is a Request or a Response")

    def check(self) -> None:
        """Read all that a message must have; SipError names the first thing wrong."""
        self.check_identity()

    def __bytes__(self) -> bytes:
        return self.printed()

    def printed(self) -> bytes:
        """Print it, as `bytes()` does by a detour that costs as much as a header.

        ValueError when a value holds a line end or NUL: such a message would say something else.
        """
        body, headers, start = self.body, self.headers, self.start_line()
        names: Iterable[str] = headers
        try:
            values = [value for (value,) in headers.values()]
        except ValueError:  # one of them has several values
            names = [name for name, several in headers.items() for _ in several]
            values = [value for several in headers.values() for value in several]
        if has_bare(f"{start} {' '.join(values)}"):
            raise ValueError(f"a line end or NUL inside a header of {start!r}")
        text = names_of(tuple(names)).copy()
        text[::2] = [start, *values, f"{len(body)}\r\n\r\n"]
        return "".join(text).encode("utf-8", "surrogateescape") + body


class Request(Message):
    """A request; `uri` is the Request-URI as text."""

    __slots__ = ("method", "tries", "uri", "version")

    def __init__(self, method: str, uri: str, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.flow = self.read_via = self.read_cseq = self.read_to_tag = self.addresses = None
        self.tries = 1
        """How many requests this one makes for the same purpose: more than 1 after a challenge."""
        self.method = method
        self.uri = uri
        self.version = "SIP/2.0"

    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def check_identity(self) -> None:
        """Read what a request is sorted by; SipError names the first thing wrong. Enough inside a dialog of ours."""
        if self.version.upper() != "SIP/2.0":
            raise SipError(f"{self.version} is not spoken here", 505)
        _ = self.via, self.call_id, self.tag("From"), self.to_tag
        if self.cseq.method != self.method:
            raise SipError(f"CSeq names {self.cseq.method}, the request line {self.method}")

    def check(self) -> None:
        """Read all that every request must have (§8.1.1, §16.3), as befits one of a stranger."""
        self.check_identity()
        if self.via.branch == MAGIC_COOKIE:
            raise SipError("empty Via branch")
        self.address("From")
        self.address("To")
        for name in SINGLE_HEADERS:
            if len(self.headers.get(name, MISSING)) > 1:
                raise SipError(f"more than one {name}")
        max_forwards = self.get("Max-Forwards")
        if max_forwards is not None and not MAX_FORWARDS_PATTERN.fullmatch(max_forwards):
            raise SipError(f"malformed Max-Forwards {max_forwards[:20]!r}")
        if Uri.parse(self.uri).headers:
            raise SipError("the Request-URI carries headers")

    @property
    def has_to_tag(self) -> bool:
        """Whether To has a tag, even where To as a whole cannot be read."""
        try:
            return bool(self.to_tag)
        except SipError:
            return ";tag=" in (self.get("To") or "")

    def renewed(self, sequence: int) -> Request:
        """The same request once more, for another transaction: room for a Via, and no credentials."""
        again = Request(self.method, self.uri, dict(self.headers), self.body)
        again.tries = self.tries
        again.flow = self.flow
        for name in ("Authorization", "Proxy-Authorization"):
            again.headers.pop(name, None)
        again.headers["Via"] = []
        again.headers["CSeq"] = [f"{sequence} {self.method}"]
        return again

    def response(self, status: int, reason: str = "", to_tag: str = "") -> Response:
        """A response to this request (§8.2.6): Via, From, To, Call-ID and CSeq copied, `to_tag` added where To has none."""
        headers = self.headers
        to = headers.get("To", MISSING)
        if to_tag and to and not self.has_to_tag:
            to = [f"{to[0]};tag={to_tag}"]
        copied: Headers = {
            "Via": headers["Via"],
            "From": headers.get("From", MISSING),
            "To": to,
            "Call-ID": headers.get("Call-ID", MISSING),
            "CSeq": headers.get("CSeq", MISSING),
        }
        if status == 100 and "Timestamp" in headers:
            copied["Timestamp"] = headers["Timestamp"]
        return Response(status, reason or REASON_PHRASES.get(status, "Unknown"), copied)


class Response(Message):
    """A response."""

    __slots__ = ("key", "reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.flow = self.read_via = self.read_cseq = self.read_to_tag = self.addresses = None
        self.status = status
        self.reason = reason
        self.key = ""
        """Branch and method, where they were seen at a glance: what the request is known by that it answers."""

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def check_identity(self) -> None:
        """Read what every response must have, and what it is sorted by."""
        _ = self.branch, self.cseq, self.call_id, self.tag("From"), self.to_tag

    def check_answer(self, request: Request) -> None:
        """The same for one that is sorted already: what it repeats of its request was read when that was made."""
        headers, sent = self.headers, request.headers
        try:
            is_read = headers["From"] == sent["From"] and headers["Call-ID"] == sent["Call-ID"]
        except KeyError:  # one that it lacks, or a request of which no more is left than it is known by
            is_read = False
        if not is_read:
            self.check_identity()
        elif self.read_to_tag is None:
            _ = self.to_tag
