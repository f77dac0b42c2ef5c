"""A stream cut into messages (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

from __future__ import annotations

from time import perf_counter

import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.framing import MAX_BODY, MAX_HEAD, PING, Framer
from tests.corpora import golden

INVITE = golden("invite.sip")
RESPONSE = golden("compact_folded.sip")
TORTURE = golden("torture.sip").removesuffix(b" trailing")


def framed(*chunks: bytes) -> list[bytes]:
    framer = Framer()
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)]
    assert not framer.buffer
    return frames


@pytest.mark.parametrize("message", [INVITE, RESPONSE, TORTURE], ids=["invite", "compact_folded", "torture"])
def test_split_at_every_byte(message: bytes) -> None:
    for cut in range(len(message) + 1):
        assert framed(message[:cut], message[cut:]) == [message]


def test_byte_by_byte() -> None:
    stream = INVITE + b"\r\n\r\n" + RESPONSE + b"\r\n" + TORTURE
    assert framed(*(stream[index : index + 1] for index in range(len(stream)))) == [INVITE, PING, RESPONSE, TORTURE]


def test_several_in_one_chunk() -> None:
    assert framed(INVITE + RESPONSE + INVITE + TORTURE) == [INVITE, RESPONSE, INVITE, TORTURE]


def test_nothing_before_the_last_byte() -> None:
    framer = Framer()
    assert list(framer.feed(INVITE[:-1])) == []
    assert list(framer.feed(INVITE[-1:])) == [INVITE]


def test_a_body_may_look_like_a_message() -> None:
    outer = b"MESSAGE sip:a SIP/2.0\r\nl: %d\r\n\r\n" % len(INVITE) + INVITE
    assert framed(outer + RESPONSE) == [outer, RESPONSE]


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"\r\n\r\n", [PING]),
        (b"\r\n\r\n\r\n\r\n", [PING, PING]),
        (b"\r\n" + INVITE, [INVITE]),
        (b"\r\n\r\n" + INVITE + b"\r\n\r\n", [PING, INVITE, PING]),
        (b"\n\n\r" + INVITE, [INVITE]),
    ],
)
def test_keep_alives(stream: bytes, frames: list[bytes]) -> None:
    assert framed(stream) == frames
    assert framed(*(stream[index : index + 1] for index in range(len(stream)))) == frames


def test_half_a_keep_alive_waits() -> None:
    framer = Framer()
    assert list(framer.feed(b"\r\n\r")) == []
    assert list(framer.feed(b"\n")) == [PING]


@pytest.mark.parametrize(
    "length",
    [b"Content-Length: 3", b"content-length:3", b"L :\t3  ", b"l:\r\n 3", b"CONTENT-LENGTH: 0003"],
)
def test_spellings_of_the_length(length: bytes) -> None:
    message = b"X sip:a SIP/2.0\r\nTo: b\r\n" + length + b"\r\n\r\nabc"
    assert framed(message + message) == [message, message]


@pytest.mark.parametrize(
    "length",
    [
        b"",
        b"Content-Length: -3\r\n",
        b"Content-Length: x\r\n",
        b"Content-Length:\r\n",
        b"X-Content-Length: 3\r\n",
        b"l: 1234567890\r\n",
    ],
)
def test_without_a_length_the_stream_is_lost(length: bytes) -> None:
    with pytest.raises(SipError) as caught:
        list(Framer().feed(b"X sip:a SIP/2.0\r\n" + length + b"\r\nabc"))
    assert caught.value.status == 400


def test_a_length_in_the_body_does_not_count() -> None:
    with pytest.raises(SipError):
        list(Framer().feed(b"X sip:a SIP/2.0\r\n\r\n\r\nContent-Length: 3\r\n\r\n"))


def test_heads_without_end() -> None:
    framer = Framer()
    assert list(framer.feed(b"X" * MAX_HEAD)) == []
    with pytest.raises(SipError) as caught:
        list(framer.feed(b"X"))
    assert caught.value.status == 513


def test_a_whole_head_that_is_too_long() -> None:
    with pytest.raises(SipError) as caught:
        list(Framer().feed(b"X: " + b"y" * MAX_HEAD + b"\r\nl: 0\r\n\r\n"))
    assert caught.value.status == 513


def test_bodies_up_to_the_limit() -> None:
    head = b"X sip:a SIP/2.0\r\nl: %d\r\n\r\n"
    whole = head % MAX_BODY + b"z" * MAX_BODY
    assert framed(whole[:1000], whole[1000:]) == [whole]
    with pytest.raises(SipError) as caught:
        list(Framer().feed(head % (MAX_BODY + 1)))
    assert caught.value.status == 513


def test_a_flood_of_line_ends_is_skipped_at_once() -> None:
    """Each line end used to copy the whole buffer: 200 000 of them took minutes."""
    started = perf_counter()
    assert list(Framer().feed(b"\n" * 200_000 + INVITE)) == [INVITE]
    assert perf_counter() - started < 1.0


def test_what_came_before_garbage_is_delivered() -> None:
    """A list was lost with the exception: the messages before the garbage of the same chunk were never seen."""
    frames = Framer().feed(INVITE + b"\r\n\r\n" + RESPONSE + b"garbage\r\n\r\n")
    assert [next(frames), next(frames), next(frames)] == [INVITE, PING, RESPONSE]
    with pytest.raises(SipError):
        next(frames)
