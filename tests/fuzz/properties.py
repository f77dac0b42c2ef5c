"""What holds of any bytes that come in: only what is documented is raised, and what was understood prints the same again.

Each property takes the bytes and raises when it does not hold. `test_messages.py` tries them on what Hypothesis makes up,
`python -m tests.fuzz` on what libFuzzer finds.
"""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise

from api.json_body import BadJsonError, decoded
from c2c_b2bua.call.payload_types import as_answer, as_offer, holds_good
from c2c_b2bua.dialog.authentication import Authentication
from c2c_b2bua.dialog.offer_answer import OfferAnswer
from c2c_b2bua.registration.server_digest import ServerDigest
from c2c_b2bua.sdp import Origin, SessionDescription, held_answer
from c2c_b2bua.sip.digest import credentials, strength
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import Challenge, CSeq, NameAddr, Via
from c2c_b2bua.sip.flow import Hop
from c2c_b2bua.sip.framing import Framer
from c2c_b2bua.sip.grammar import CONTROL_PATTERN, delta_seconds, quote, split_list, unquote
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import MalformedError, parse
from c2c_b2bua.sip.reason import legible, said_in
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transport import stun

ORIGIN = Origin("c2c", "1", 1, "192.0.2.1")


def text_of(data: bytes) -> str:
    """Bytes as the parser makes text of them."""
    return data.decode("utf-8", "surrogateescape")


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def message(data: bytes) -> None:
    """What parses prints the same again; what is looked at quickly is what thorough reading finds."""
    assert read(data) == read(data.replace(b"SIP/2.0 ", b"sip/2.0 ", 1) if data.startswith(b"SIP/2.0 ") else data)
    try:
        first = parse(data)
    except MalformedError as error:
        if error.request is not None:
            with suppress(ValueError):  # a line end inside a header: such a request is not answered
                answered(error.request)
        return
    # A lax start line is printed as it was understood, which may no longer be one; the rest always survives.
    printed = bytes(first)
    with suppress(MalformedError):
        second = parse(printed)
        assert (second.headers, second.body) == (first.headers, first.body)
        # A response read at one glance has its first five headers in one order, whatever that was (RFC 3261 §7.3.1).
        assert sorted(bytes(second).split(b"\r\n")) == sorted(printed.split(b"\r\n"))
    if isinstance(first, Request):
        answered(first)
    with suppress(SipError):
        first.check()
        second = parse(printed)
        second.check()
        assert (second.cseq, second.from_tag, second.to_tag, second.branch) == (
            first.cseq, first.from_tag, first.to_tag, first.branch,
        )  # fmt: skip
        assert said_in(first) == said_in(second)
        # `branch` and `tag` look without reading the rest.
        sender, target = NameAddr.parse(first.required("From")), NameAddr.parse(first.required("To"))
        assert (first.branch, first.from_tag, first.to_tag) == (first.via.branch, sender.tag, target.tag)
    for name in first.headers:
        first.values(name)
        first.tokens(name)
    with suppress(SipError):
        _ = first.contact
    for name in ("WWW-Authenticate", "Authorization"):
        with suppress(SipError):
            first.challenges(name)


def read(data: bytes) -> tuple[object, ...]:
    """What a message was understood as. A status line in lower case is never read at a glance."""
    try:
        found = parse(data)
    except MalformedError as error:
        return (error.status,)
    start = (found.method, found.uri) if isinstance(found, Request) else (found.status, found.reason)
    return (*start, found.headers, found.body)


def answered(request: Request) -> None:
    """A response can be made of whatever was read of a request, and it can be printed and read."""
    with suppress(SipError):
        request.required("Via")
        response = parse(bytes(request.response(400, "", "tag")))
        assert response.headers["Via"] == request.headers["Via"]


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def framed(chunks: list[bytes]) -> tuple[list[bytes], int]:
    """The frames of a stream that comes in these chunks, and the status of the error that ended it."""
    framer = Framer()
    frames: list[bytes] = []
    try:
        for chunk in chunks:
            for frame in framer.feed(chunk):
                frames.append(frame)
    except SipError as error:
        return frames, error.status
    return frames, 0


def stream(data: bytes) -> None:
    """However a stream is cut, the same frames come out, up to the same error; the first bytes say where it is cut."""
    cuts, rest = data[:4], data[4:]
    whole = framed([rest])
    edges = sorted({0, len(rest), *(number * len(rest) // 256 for number in cuts)})
    assert framed([rest[start:end] for start, end in pairwise(edges)]) == whole
    if len(rest) < 600:
        assert framed([rest[index : index + 1] for index in range(len(rest))]) == whole


# ── session descriptions ─────────────────────────────────────────────────────────────────────────────────────────────


def described(data: bytes) -> SessionDescription | None:
    try:
        return SessionDescription.parse(data)
    except SipError as error:
        assert error.status == 488
        return None


def same_description(first: SessionDescription) -> None:
    second = SessionDescription.parse(bytes(first))
    assert bytes(second) == bytes(first)
    assert (second.media, second.origin, second.lines[1:], second.direction) == (
        first.media, first.origin, first.lines[1:], first.direction,
    )  # fmt: skip


def description(data: bytes) -> None:
    """One description: it prints the same again, and has an answer. Two, cut by a NUL: one can be passed on as the other's."""
    text, _, other = data.partition(b"\0")
    first = described(text)
    if first is None:
        return
    same_description(first)
    for media in first.media:
        assert set(media.codecs) == set(media.formats)
        first.address_of(media)
    answer = held_answer(first, ORIGIN, "192.0.2.1", ["PCMU", "telephone-event"])
    assert len(answer.media) == len(first.media)
    same_description(answer)
    same_description(first.with_direction("sendonly"))
    second = described(other)
    if second is not None:
        crossing(first, second)


def crossing(said: SessionDescription, given: SessionDescription) -> None:
    """A description crosses into a session that has `said` one: as offer, as answer, and as an answer to what is said."""
    for passed in (as_offer(given, said, None), as_answer(given, said), as_offer(as_answer(given, said), given)):
        assert [media.port for media in passed.media] == [media.port for media in given.media]
        same_description(passed)
    holds_good(said, given, given)
    exchange = OfferAnswer()
    exchange.offer(said)
    with suppress(SipError):
        exchange.answered(given)
    with suppress(SipError):
        same_description(exchange.repeat(given))


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def values(data: bytes) -> None:
    """The grammar of header fields, on text."""
    text = text_of(data)
    for read in (Uri.parse, NameAddr.parse, Via.parse, CSeq.parse):
        with suppress(SipError):
            value = read(text)
            # Control characters, escaped in a display name, are left out when it is printed.
            assert read(str(value)) == value or CONTROL_PATTERN.search(text)
    with suppress(SipError):
        Hop.of(Uri.parse(text))
    with suppress(SipError):
        uri = Uri.parse(text)
        assert uri.equals(uri)
    assert isinstance(split_list(text), list)
    assert unquote(quote(text)) == "".join(character for character in text if character >= " " and character != "\x7f")
    assert (legible(text) or "").isprintable() or legible(text) is not None
    delta_seconds(text)


def challenge(data: bytes) -> None:
    """A challenge is answered or not; an answer of ours can be read by a server, and says what it was asked."""
    text = text_of(data)
    try:
        asked = Challenge.parse(text)
    except SipError:
        return
    judge = ServerDigest(b"secret", ["SHA-256", "MD5"], 300.0, 0.0, Tokens(b"x"))
    judge.judge(asked, "REGISTER", ("example.com", "192.0.2.1"), "password", "192.0.2.9", 10.0)
    judge.challenges(asked, "example.com", "bob", text, "192.0.2.9", False, 10.0)
    invite = Request("INVITE", "sip:bob@example.com", {})
    refusal = Response(401, "Unauthorized", {"WWW-Authenticate": [text]})
    Authentication("bob", "password", Tokens(b"x")).absorb(invite, refusal, 1)
    if strength(asked) is None:
        return
    printed = credentials(asked, 'b"\\ob', "password", "INVITE", "sip:bob@example.com", 1, "0123")
    said = Challenge.parse(printed)
    assert said.parameters["username"] == 'b"\\ob'
    for name in ("realm", "nonce"):
        given = asked.parameters.get(name, "")
        assert said.parameters[name] == "".join(
            character for character in given if character >= " " and character != "\x7f"
        )


# ── other doors ──────────────────────────────────────────────────────────────────────────────────────────────────────


def binding_request(data: bytes) -> None:
    """A datagram that is STUN: an answer of the same transaction, or none; it is never taken for SIP."""
    if not stun.is_stun(data):
        return
    answer = stun.answer(data, "192.0.2.9", 40000)
    assert answer is None or (answer[8:20] == data[8:20] and stun.is_stun(answer))
    with suppress(SipError):
        found = parse(data)
        found.check()
        raise AssertionError(f"also SIP: {found.start_line()!r}")


def json_body(data: bytes) -> None:
    """What we take for JSON, Python's own reader takes too, and for the same; it is nested to a bounded depth."""
    try:
        value = decoded(data)
    except BadJsonError:
        return
    with suppress(RecursionError):
        assert repr(value) == repr(json.loads(data.removeprefix(b"\xef\xbb\xbf")))
