"""Session descriptions (RFC 4566): parsed line by line and kept so; what offer/answer (RFC 3264) has to see of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from c2c_b2bua.sip.errors import SipError

Line = tuple[str, str]
"""Type letter and value: `("a", "sendrecv")`."""
LINE_END_PATTERN = re.compile(r"\r\n|\r|\n")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
REVERSED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

# Payload type and rtpmap of the codecs that configuration may name (RFC 3551 §6; dynamic numbers are our choice).
CODECS = {
    "PCMU": (0, "PCMU/8000"),
    "PCMA": (8, "PCMA/8000"),
    "G722": (9, "G722/8000"),
    "G729": (18, "G729/8000"),
    "opus": (96, "opus/48000/2"),
    "telephone-event": (101, "telephone-event/8000"),
}
STATIC_RTPMAPS = {"0": "pcmu/8000", "3": "gsm/8000", "4": "g723/8000", "8": "pcma/8000", "9": "g722/8000",
                  "13": "cn/8000", "18": "g729/8000"}  # fmt: skip


class Origin(msgspec.Struct, frozen=True):
    """The o= line; `version` rises by one whenever the description changes, and only then (RFC 3264 §8)."""

    username: str
    session_id: str
    version: int
    address: str

    def next(self) -> Origin:
        return Origin(self.username, self.session_id, self.version + 1, self.address)

    def __str__(self) -> str:
        family = "IP6" if ":" in self.address else "IP4"
        return f"{self.username} {self.session_id} {self.version} IN {family} {self.address}"


class Media(msgspec.Struct, frozen=True):
    """One m= section. `port` 0: the stream is refused or over."""

    kind: str
    port: int
    ports: str
    protocol: str
    formats: tuple[str, ...]
    lines: tuple[Line, ...]

    def attribute(self, name: str) -> str | None:
        """The value of the first a=NAME or a=NAME:VALUE; `""` for a flag."""
        return find_attribute(self.lines, name)

    @property
    def direction(self) -> str | None:
        return find_direction(self.lines)

    @property
    def connection(self) -> str | None:
        return next((value for letter, value in self.lines if letter == "c"), None)

    @property
    def codecs(self) -> dict[str, str]:
        """Payload type -> codec, in order of preference; a codec is `name/rate[/channels]` in lower case.

        A static number needs no rtpmap (RFC 3551); one that has no name at all stands for itself.
        """
        return read_codecs(self.formats, self.lines)

    def __str__(self) -> str:
        ports = f"{self.port}/{self.ports}" if self.ports else str(self.port)
        return f"m={self.kind} {ports} {self.protocol} {' '.join(self.formats)}\r\n{print_lines(self.lines)}"


class SessionDescription(msgspec.Struct, frozen=True):
    """A whole description: o= apart, the other session lines as they came, then the media."""

    origin: Origin
    lines: tuple[Line, ...]
    media: tuple[Media, ...]

    @classmethod
    def parse(cls, data: bytes) -> SessionDescription:
        """Read one; lenient where phones are (no final line end, LF alone, no s= or t=); SipError 488 when it is none."""
        session: list[Line] = []
        origin: Origin | None = None
        media: list[Media] = []
        current = session
        head: list[str] = []
        heads: list[tuple[list[str], list[Line]]] = []
        # Not splitlines(): U+2028 and its kin may stand in a text (RFC 4566 §9, byte-string).
        for row in LINE_END_PATTERN.split(data.decode("utf-8", "replace")):
            if not row.strip():
                continue
            letter, equals, value = row[:1], row[1:2], row[2:]
            if equals != "=":
                raise SipError(f"malformed SDP line {row[:40]!r}", 488)
            if letter == "m":
                head = value.split()
                current = []
                heads.append((head, current))
            elif letter == "o" and not heads:
                origin = parse_origin(value)
            else:
                current.append((letter, value))
        for head, lines in heads:
            media.append(parse_media(head, tuple(lines)))
        if origin is None or not session or session[0][0] != "v":
            raise SipError("SDP without v= or o=", 488)
        return cls(origin, tuple(session), tuple(media))

    @property
    def direction(self) -> str:
        """Direction of the first live stream as its sender means it; RFC 2543's hold (c=0.0.0.0) reads as `sendonly`."""
        for media in self.media:
            if media.port:
                named = media.direction or find_direction(self.lines) or "sendrecv"
                # With port 9 it is a browser that has no ICE candidate yet (RFC 8840 §4.1.1).
                held_by_address = self.address_of(media) == "0.0.0.0" and media.port != 9 and named == "sendrecv"
                return "sendonly" if held_by_address else named
        return "inactive"

    @property
    def has_live_media(self) -> bool:
        return any(media.port for media in self.media)

    def address_of(self, media: Media) -> str:
        """The connection address of a stream: its own c= or the session's; `""` without any."""
        line = media.connection or next((value for letter, value in self.lines if letter == "c"), "")
        return line.split()[2].partition("/")[0] if line.count(" ") >= 2 else ""

    def with_origin(self, origin: Origin) -> SessionDescription:
        return SessionDescription(origin, self.lines, self.media)

    def with_direction(self, direction: str) -> SessionDescription:
        """The same streams, each with this direction; `sendrecv` is said by saying nothing."""
        media = tuple(
            Media(part.kind, part.port, part.ports, part.protocol, part.formats, redirect(part.lines, direction))
            for part in self.media
        )
        session = tuple(line for line in self.lines if not is_direction(line))
        return SessionDescription(self.origin, session, media)

    def with_port(self, port: int) -> SessionDescription:
        """The live streams on this port and the even ones after it."""
        media = []
        for part in self.media:
            media.append(
                Media(part.kind, port if part.port else 0, part.ports, part.protocol, part.formats, part.lines)
            )
            port += 2
        return SessionDescription(self.origin, self.lines, tuple(media))

    def same_media(self, other: SessionDescription) -> bool:
        """Whether a peer that has one learns nothing from the other: address, port, codecs, attributes alike."""
        return self.media == other.media and self.lines == other.lines

    def __str__(self) -> str:
        head = f"v=0\r\no={self.origin}\r\n{print_lines(self.lines[1:])}"
        return head + "".join([str(media) for media in self.media])

    def __bytes__(self) -> bytes:
        return str(self).encode()


@lru_cache(maxsize=1024)
def read_codecs(formats: tuple[str, ...], lines: tuple[Line, ...]) -> dict[str, str]:
    """The codecs of a stream; a phone names the same ones in every call, so that they are read once."""
    named: dict[str, str] = {}
    for _, value in lines:
        if value.startswith("rtpmap:"):
            number, _, name = value[7:].partition(" ")
            name = name.strip().lower()
            named.setdefault(number, name.removesuffix("/1") if name.count("/") == 2 else name)
    return {number: named.get(number) or STATIC_RTPMAPS.get(number, number) for number in formats}


def held_offer(origin: Origin, address: str, codecs: Iterable[str]) -> SessionDescription:
    """The first offer to a leg whose other side is not known yet: our codecs, nothing flows (DESIGN: `held`)."""
    numbers = [CODECS[name] for name in codecs]
    lines: list[Line] = [("a", f"rtpmap:{number} {rtpmap}") for number, rtpmap in numbers]
    lines += [("a", f"fmtp:{number} 0-16") for number, rtpmap in numbers if rtpmap.startswith("telephone-event")]
    lines.append(("a", "inactive"))
    # Port 9 (discard): a real number, as RFC 3264 §5.1 wants of a stream that is only held.
    audio = Media("audio", 9, "", "RTP/AVP", tuple(str(number) for number, _ in numbers), tuple(lines))
    return SessionDescription(origin, session_lines(address), (audio,))


def held_answer(offer: SessionDescription, origin: Origin, address: str, codecs: Iterable[str]) -> SessionDescription:
    """Our answer while there is nobody to talk to: audio kept inactive in the codecs we share, all else refused."""
    ours = {CODECS[name][1].lower() for name in codecs}
    media = []
    for part in offer.media:
        shared = tuple(number for number, codec in part.codecs.items() if codec in ours)
        if part.kind != "audio" or not part.port or not shared:
            media.append(Media(part.kind, 0, "", part.protocol, part.formats[:1], ()))
            continue
        lines = tuple(
            line for line in part.lines if line[1].startswith(("rtpmap:", "fmtp:")) and payload_type(line) in shared
        )
        media.append(Media(part.kind, 9, "", part.protocol, shared, (*lines, ("a", "inactive"))))
    return SessionDescription(origin, session_lines(address), tuple(media))


def session_lines(address: str) -> tuple[Line, ...]:
    family = "IP6" if ":" in address else "IP4"
    return (("v", "0"), ("s", "-"), ("c", f"IN {family} {address}"), ("t", "0 0"))


def payload_type(line: Line) -> str:
    """The number that an rtpmap or fmtp line is about."""
    return line[1].partition(":")[2].partition(" ")[0]


def renumbered(media: Media, numbers: dict[str, str]) -> Media:
    """The same stream with other payload type numbers: old -> new, the others kept."""
    lines: list[Line] = []
    for letter, value in media.lines:
        name, colon, rest = value.partition(":")
        number, space, text = rest.partition(" ")
        if letter == "a" and colon and name in ("rtpmap", "fmtp", "rtcp-fb") and number in numbers:
            value = f"{name}:{numbers[number]}{space}{text}"
        lines.append((letter, value))
    formats = tuple(numbers.get(number, number) for number in media.formats)
    return Media(media.kind, media.port, media.ports, media.protocol, formats, tuple(lines))


def parse_origin(value: str) -> Origin:
    words = value.split()
    if len(words) != 6 or not is_number(words[2], 20):
        raise SipError(f"malformed o= {value[:60]!r}", 488)
    return Origin(words[0], words[1], int(words[2]), words[5])


def parse_media(words: list[str], lines: tuple[Line, ...]) -> Media:
    if len(words) < 4:
        raise SipError(f"malformed m= {' '.join(words)[:60]!r}", 488)
    port, _, ports = words[1].partition("/")
    if not is_number(port, 5) or int(port) > 65535:
        raise SipError(f"malformed port in m= {words[1][:20]!r}", 488)
    return Media(words[0], int(port), ports, words[2], tuple(words[3:]), lines)


def is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


def is_direction(line: Line) -> bool:
    return line[0] == "a" and line[1] in DIRECTIONS


def find_direction(lines: Iterable[Line]) -> str | None:
    return next((value for letter, value in lines if letter == "a" and value in DIRECTIONS), None)


def find_attribute(lines: Iterable[Line], name: str) -> str | None:
    for letter, value in lines:
        if letter == "a":
            found, _, rest = value.partition(":")
            if found == name:
                return rest
    return None


def redirect(lines: tuple[Line, ...], direction: str) -> tuple[Line, ...]:
    kept = tuple(line for line in lines if not is_direction(line))
    return kept if direction == "sendrecv" else (*kept, ("a", direction))


def print_lines(lines: Iterable[Line]) -> str:
    return "".join([f"{letter}={value}\r\n" for letter, value in lines])
