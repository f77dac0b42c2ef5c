"""Session descriptions (RFC 4566): parsed line by line and kept so; what offer/answer (RFC 3264) has to see of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from c2c_b2bua.sip.errors import SipError

Lines = tuple[str, ...]
"""Lines as they stand, without their ends: `("a=rtpmap:0 PCMU/8000", "a=sendrecv")`."""
LONGEST = 65536
"""Bytes of a description that we look at."""
LONGEST_KNOWN = 4096
"""Bytes of one that may be remembered, so that nobody fills our memory with long ones."""
DIRECTION_LINES = frozenset({"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"})
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
PLAIN = ("RTP/AVP", "RTP/AVPF")
"""What can be answered without keys of ours (RFC 3551, RFC 4585)."""
STATIC_RTPMAPS = {"0": "pcmu/8000", "3": "gsm/8000", "4": "g723/8000", "8": "pcma/8000", "9": "g722/8000",
                  "13": "cn/8000", "18": "g729/8000"}  # fmt: skip


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The o= line; `version` rises by one whenever the description changes, and only then (RFC 3264 §8)."""

    username: str
    session_id: str
    version: int
    address: str

    def next(self) -> Origin:
        return Origin(self.username, self.session_id, self.version + 1, self.address)

    def __str__(self) -> str:
        return self.printed()

    def printed(self) -> str:
        family = "IP6" if ":" in self.address else "IP4"
        return f"{self.username} {self.session_id} {self.version} IN {family} {self.address}"


class Media(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One m= section. `port` 0: the stream is refused or over."""

    kind: str
    port: int
    ports: str
    protocol: str
    formats: tuple[str, ...]
    lines: Lines

    @property
    def direction(self) -> str | None:
        return find_direction(self.lines)

    @property
    def codecs(self) -> dict[str, str]:
        """Payload type -> codec, in order of preference; a codec is `name/rate[/channels]` in lower case.

        A static number needs no rtpmap (RFC 3551); one that has no name at all stands for itself.
        """
        return read_codecs(self.formats, self.lines)

    def __str__(self) -> str:
        ports = f"{self.port}/{self.ports}" if self.ports else str(self.port)
        return f"m={self.kind} {ports} {self.protocol} {' '.join(self.formats)}\r\n{print_lines(self.lines)}"


class SessionDescription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A whole description: o= apart, the other session lines as they came, then the media."""

    origin: Origin
    lines: Lines
    media: tuple[Media, ...]

    @classmethod
    def parse(cls, data: bytes) -> SessionDescription:
        """Read one; lenient where phones are (no final line end, LF alone, no s= or t=); SipError 488 when it is none."""
        if len(data) > LONGEST:
            raise SipError(f"a session description of more than {LONGEST} bytes", 488)
        return known_description(data) if len(data) <= LONGEST_KNOWN else read_description(data)

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
        return bool([media for media in self.media if media.port])

    def address_of(self, media: Media) -> str:
        """The connection address of a stream: its own c= or the session's; `""` without any."""
        own = find_address(media.lines)
        return (find_address(self.lines) if own is None else own) or ""

    def with_origin(self, origin: Origin) -> SessionDescription:
        return SessionDescription(origin, self.lines, self.media)

    def with_direction(self, direction: str) -> SessionDescription:
        """The same streams, each with this direction; `sendrecv` is said by saying nothing."""
        return SessionDescription(self.origin, redirect(self.lines, ""), redirected(self.media, direction))

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
        return self.printed().decode()

    def __bytes__(self) -> bytes:
        return self.printed()

    def printed(self) -> bytes:
        """Print it, as `bytes()` does by a detour."""
        return f"v=0\r\no={self.origin.printed()}\r\n{print_sections(self.lines, self.media)}".encode()


def read_description(data: bytes) -> SessionDescription:
    """Read one."""
    read = known_lines if len(data) <= LONGEST_KNOWN else read_lines
    # Not splitlines(): U+2028 and its kin may stand in a text (RFC 4566 §9, byte-string).
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", "\n")
    first, *sections = text.split("\nm=")
    before, found, after = first.partition("\no=")
    origin, _, after = after.partition("\n")
    session = read(f"{before}\n{after}")
    if "\no=" in after or after[:2] == "o=":
        origin = [line for line in session if line[0] == "o"][-1][2:]
        session = tuple(line for line in session if line[0] != "o")
    if not found or not session or session[0][0] != "v":
        raise SipError("SDP without v= or o=", 488)
    media = []
    for section in sections:
        head, _, lines = section.partition("\n")
        media.append(parse_media(head.split(), read(lines)))
    return SessionDescription(parse_origin(origin), session, tuple(media))


known_description = lru_cache(maxsize=1024)(read_description)
"""The same bytes are the same description, as when a phone says again what it said before."""


def read_lines(text: str) -> Lines:
    """The lines of a section but its first."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    for line in lines:
        if line[1:2] != "=":
            raise SipError(f"malformed SDP line {line[:40]!r}", 488)
    return tuple(lines)


known_lines = lru_cache(maxsize=4096)(read_lines)
"""One tuple for all equal ones, for a phone says them in every call."""


@lru_cache(maxsize=1024)
def shared(words: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all equal ones."""
    return words


@lru_cache(maxsize=1024)
def find_address(lines: Lines) -> str | None:
    """The address of the first c= among them; None without any."""
    line = next((line for line in lines if line.startswith("c=")), None)
    if line is None:
        return None
    words = line[2:].split()
    return words[2].partition("/")[0] if len(words) > 2 else ""


@lru_cache(maxsize=1024)
def read_codecs(formats: tuple[str, ...], lines: Lines) -> dict[str, str]:
    """The codecs of a stream; read once for all calls of a phone."""
    named: dict[str, str] = {}
    for line in lines:
        if line.startswith("a=rtpmap:"):
            number, _, name = line[9:].partition(" ")
            name = name.strip().lower()
            named.setdefault(number, name.removesuffix("/1") if name.count("/") == 2 else name)
    return shared_codecs(
        tuple([(number, named.get(number) or STATIC_RTPMAPS.get(number, number)) for number in formats])
    )


@lru_cache(maxsize=1024)
def shared_codecs(codecs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """One dict for all equal ones."""
    return dict(codecs)


@lru_cache(maxsize=1024)
def redirect(lines: Lines, direction: str) -> Lines:
    """The lines with this direction; `sendrecv` is said by saying nothing, `""` says nothing either."""
    kept = tuple(line for line in lines if line not in DIRECTION_LINES)
    return kept if direction in ("", "sendrecv") else (*kept, f"a={direction}")


def held_offer(origin: Origin, address: str, codecs: tuple[str, ...]) -> SessionDescription:
    """The first offer to a leg whose other side is not known yet: our codecs, nothing flows (DESIGN: `held`)."""
    return SessionDescription(origin, session_lines(address), (held_audio(codecs),))


@lru_cache(maxsize=64)
def held_audio(codecs: tuple[str, ...]) -> Media:
    numbers = [CODECS[name] for name in codecs]
    lines = [f"a=rtpmap:{number} {rtpmap}" for number, rtpmap in numbers]
    lines += [f"a=fmtp:{number} 0-16" for number, rtpmap in numbers if rtpmap.startswith("telephone-event")]
    # Port 9 (discard): a real number, as RFC 3264 §5.1 wants of a stream that is only held.
    formats = tuple(str(number) for number, _ in numbers)
    return Media("audio", 9, "", "RTP/AVP", formats, (*lines, "a=inactive"))


def held_answer(offer: SessionDescription, origin: Origin, address: str, codecs: Iterable[str]) -> SessionDescription:
    """Our answer while there is nobody to talk to: audio kept inactive in the codecs we share, all else refused."""
    ours = {CODECS[name][1].lower() for name in codecs}
    media = []
    for part in offer.media:
        common = tuple(number for number, codec in part.codecs.items() if codec in ours)
        if part.kind != "audio" or part.protocol not in PLAIN or not part.port or not common:
            media.append(Media(part.kind, 0, "", part.protocol, part.formats[:1], ()))
            continue
        numbers = set(common)
        lines = [
            line
            for line in part.lines
            if line.startswith(("a=rtpmap:", "a=fmtp:")) and line.partition(":")[2].partition(" ")[0] in numbers
        ]
        media.append(Media(part.kind, 9, "", part.protocol, common, (*lines, "a=inactive")))
    return SessionDescription(origin, session_lines(address), tuple(media))


def declined(offer: SessionDescription, address: str) -> SessionDescription:
    """An answer that takes none of the streams (RFC 3264 §6)."""
    origin = Origin("c2c", offer.origin.session_id, 1, address)
    media = [Media(part.kind, 0, "", part.protocol, part.formats[:1], ()) for part in offer.media]
    return SessionDescription(origin, session_lines(address), tuple(media))


@lru_cache(maxsize=64)
def session_lines(address: str) -> Lines:
    family = "IP6" if ":" in address else "IP4"
    return ("v=0", "s=-", f"c=IN {family} {address}", "t=0 0")


def renumbered(media: Media, numbers: dict[str, str]) -> Media:
    """The same stream with other payload type numbers: old -> new, the others kept."""
    lines: list[str] = []
    for line in media.lines:
        name, _, rest = line.partition(":")
        number, space, text = rest.partition(" ")
        if name in ("a=rtpmap", "a=fmtp", "a=rtcp-fb") and number in numbers:
            line = f"{name}:{numbers[number]}{space}{text}"
        lines.append(line)
    formats = tuple(numbers.get(number, number) for number in media.formats)
    return Media(media.kind, media.port, media.ports, media.protocol, formats, tuple(lines))


def narrowed(media: Media, numbers: dict[str, str]) -> Media:
    """The same stream with these payload types alone: old number -> new."""
    lines = []
    for line in media.lines:
        name, _, rest = line.partition(":")
        if name not in ("a=rtpmap", "a=fmtp", "a=rtcp-fb") or rest.partition(" ")[0] in numbers:
            lines.append(line)
    formats = tuple(number for number in media.formats if number in numbers)
    kept = Media(media.kind, media.port, media.ports, media.protocol, formats, tuple(lines))
    return renumbered(kept, numbers)


def parse_origin(value: str) -> Origin:
    words = value.split()
    if len(words) != 6 or not is_number(words[2], 20):
        raise SipError(f"malformed o= {value[:60]!r}", 488)
    return Origin(words[0], words[1], int(words[2]), words[5])


def parse_media(words: list[str], lines: Lines) -> Media:
    if len(words) < 4:
        raise SipError(f"malformed m= {' '.join(words)[:60]!r}", 488)
    port, _, ports = words[1].partition("/")
    if not is_number(port, 5) or int(port) > 65535:
        raise SipError(f"malformed port in m= {words[1][:20]!r}", 488)
    return Media(words[0], int(port), ports, words[2], shared(tuple(words[3:])), lines)


def is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


@lru_cache(maxsize=1024)
def find_direction(lines: Lines) -> str | None:
    return next((line[2:] for line in lines if line in DIRECTION_LINES), None)


@lru_cache(maxsize=1024)
def redirected(media: tuple[Media, ...], direction: str) -> tuple[Media, ...]:
    """The streams, each with this direction."""
    return tuple(
        [
            Media(part.kind, part.port, part.ports, part.protocol, part.formats, redirect(part.lines, direction))
            for part in media
        ]
    )


@lru_cache(maxsize=1024)
def print_sections(lines: Lines, media: tuple[Media, ...]) -> str:
    """What follows o=: all that a phone says in every call."""
    return print_lines(lines[1:]) + "".join([str(part) for part in media])


def print_lines(lines: Lines) -> str:
    return "\r\n".join([*lines, ""])
