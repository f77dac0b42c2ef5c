"""Four times the input takes about four times the work: no datagram, and no stream, holds the engine up.

Work is CPU time of this thread, the least of several tries, so that a busy machine counts for little; sixteen times the
work for four times the input is what must not be.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.framing import Framer
from tests.fuzz import properties
from tests.fuzz.effort import examples

LARGE = 65_536
FAST = 0.02
"""Seconds for LARGE bytes that are nothing to think about."""
MOST_TIMES = 9.0
PIECES = [
    b" ", b"\t", b'"', b"\\", b'\\"', b",", b";", b"=", b":", b"@", b"%", b"%41", b"<", b">", b"[", b"]", b"?", b"&", b"/",
    b".", b"-", b"a", b"9", b"\n", b"\r\n", b"\r\n ", b"\0", b"\xff", b"\xc3\xa9", b";a", b";a=b", b';a="', b"a=1,", b"a.",
    b"<a>,", b'"a",', b"&a=b", b"a:\r\n", b"l: 3\r\n", b"v: x,\r\n", b"f: <a>\r\n", b"a=rtpmap:96 x/1\r\n",
    b"m=audio 9 RTP/AVP 0\r\n",    b"c=IN IP4 h\r\n", b"a=sendrecv\r\n", b"[[", b'{"a":', b'"a":1,', b"\\u0041", b"96 ",
]  # fmt: skip
STARTS = {
    "message": [
        b"",
        b"INVITE sip:a SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h",
        b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"
        b"Call-ID: 1\r\nCSeq: 1 INVITE\r\n",
    ],
    "stream": [b"0000", b"0000INVITE a SIP/2.0\r\nl:", b"0000INVITE a SIP/2.0\r\n"],
    "description": [b"v=0\r\no=- 1 1 IN IP4 h\r\n", b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 9 RTP/AVP "],
    "values": [
        b"", b"sip:", b"sip:a@", b"sip:h;", b"sip:h?a=", b"<", b'"', b"<sip:h>", b"SIP/2.0/UDP ", b"SIP/2.0/UDP h;", b"tel:",
    ],
    "challenge": [b"Digest ", b"Digest a", b"Digest a=", b'Digest nonce="a"', b'Digest nonce="', b"Digest nonce=1,qop="],
    "json_body": [b"", b"[", b"{", b'"', b'["', b"[0,"],
}  # fmt: skip


def cpu(work: Callable[[bytes], None], data: bytes, tries: int) -> float:
    least = float("inf")
    for _ in range(tries):
        begun = thread_time()
        work(data)
        least = min(least, thread_time() - begun)
        if least < FAST:
            break
    return least


def check(work: Callable[[bytes], None], make: Callable[[int], bytes]) -> None:
    """The work for LARGE bytes against that for a quarter of them; `make` gives the input of about a size."""
    if (large := cpu(work, make(LARGE), 2)) > FAST:
        small = cpu(work, make(LARGE // 4), 3)
        if large > MOST_TIMES * small:
            large = cpu(work, make(LARGE), 3)
        assert large <= MOST_TIMES * small, f"{1000 * large:.0f} ms, and {1000 * small:.0f} ms for a quarter of it"


@pytest.mark.parametrize("name", STARTS)
def test_any_piece_over_and_over(name: str) -> None:
    work = getattr(properties, name)

    @examples(80)
    @given(
        st.sampled_from(STARTS[name]),
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=2),
        st.sampled_from(PIECES),
    )
    def pumped(start: bytes, pieces: list[bytes], end: bytes) -> None:
        piece = b"".join(pieces)
        check(work, lambda size: start + piece * (size // len(piece)) + end)

    pumped()


def formats(size: int) -> bytes:
    numbers = range(size // 26)
    lines = b"".join(b"a=rtpmap:%d x%d/8000\r\n" % (number, number) for number in numbers)
    head = b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP " + b" ".join(
        b"%d" % number for number in numbers
    )
    return head + b"\r\n" + lines


@pytest.mark.parametrize("other", [b"x", b"y"], ids=["the same", "others"])
def test_many_formats(other: bytes) -> None:
    def make(size: int) -> bytes:
        half = formats(size // 2)
        return half + b"\0" + half.replace(b" x", b" " + other)

    check(properties.description, make)


def test_challenge_of_blanks() -> None:
    """It took minutes: 64 kB of blanks between = and what was no value."""
    check(properties.challenge, lambda size: b"Digest a=" + b" " * size + b'"')


def byte_by_byte(data: bytes) -> None:
    framer = Framer()
    with suppress(SipError):
        for index in range(len(data)):
            list(framer.feed(data[index : index + 1]))


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"\r\n", b"\n", b"l:0\r\n", b"x"])
def test_a_stream_byte_by_byte(piece: bytes) -> None:
    """A head, or line ends; then a body as long behind it."""
    check(byte_by_byte, lambda size: b"A sip:a SIP/2.0\r\n" + piece * (size * 9 // 10 // len(piece)))

    def with_body(size: int) -> bytes:
        head = b"A sip:a SIP/2.0\r\n" + b"X: y\r\n" * (size // 12)
        return head + b"Content-Length: %d\r\n\r\n" % (size // 2) + piece * (size // 2 // len(piece))

    check(byte_by_byte, with_body)
