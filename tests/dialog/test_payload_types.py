"""Payload type numbers when a description crosses (RFC 3264 §6.1, §8.3.2)."""

from __future__ import annotations

import pytest

from c2c_b2bua.call.payload_types import as_answer, as_offer, holds_good
from c2c_b2bua.sdp import SessionDescription

NAMES = {"0": "PCMU/8000", "8": "PCMA/8000"}


def description(formats: str, port: int = 4000, address: str = "192.0.2.1", **names: str) -> SessionDescription:
    """`_101="telephone-event/8000"` names a number."""
    lines = "".join(f"a=rtpmap:{number[1:]} {name}\r\n" for number, name in names.items())
    return SessionDescription.parse(
        f"v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n{lines}".encode()
    )


def said(given: SessionDescription) -> dict[str, str]:
    return given.media[0].codecs


DTMF = "telephone-event/8000"


def test_numbers_cross_as_they_are() -> None:
    given = description("0 101", _101=DTMF)
    assert as_offer(given) == given
    assert as_offer(given, None, description("8 101", _101=DTMF)) == given
    assert as_offer(given, description("0 96", _96=DTMF)) == given


def test_an_offer_gives_no_number_a_second_meaning() -> None:
    """101 was opus in this session: the event moves to the number the session has for it."""
    given = description("0 101", _101=DTMF)
    known = description("101 120 0", _101="opus/48000/2", _120=DTMF)
    offer = as_offer(given, known)
    assert said(offer) == {"0": "pcmu/8000", "120": DTMF}
    assert "a=rtpmap:120 telephone-event/8000" in offer.media[0].lines


def test_or_to_one_that_nobody_uses() -> None:
    known = description("101 96", _101="opus/48000/2", _96="speex/8000")
    assert said(as_offer(description("0 101 97", _101=DTMF, _97="g726-32/8000"), known)) == {
        "0": "pcmu/8000",
        "98": DTMF,
        "97": "g726-32/8000",
    }


def test_two_that_change_places() -> None:
    known = description("96 97", _96="opus/48000/2", _97=DTMF)
    offer = as_offer(description("96 97", _96=DTMF, _97="opus/48000/2"), known)
    assert sorted(said(offer).values()) == ["opus/48000/2", DTMF]
    for number, codec in said(offer).items():
        assert said(known).get(number, codec) == codec


def test_an_answer_speaks_in_the_numbers_of_its_offer() -> None:
    offer = description("0 126", _126=DTMF)
    answer = as_answer(description("0 101", _101=DTMF), offer)
    assert said(answer) == {"0": "pcmu/8000", "126": DTMF}
    assert as_answer(description("0 101", _101=DTMF), None) == description("0 101", _101=DTMF)


def test_an_answer_prefers_the_first_number_of_a_codec() -> None:
    offer = description("0 100 110", _100=DTMF, _110=DTMF)
    assert said(as_answer(description("0 101", _101=DTMF), offer)) == {"0": "pcmu/8000", "100": DTMF}


def test_a_codec_that_was_not_offered_stays() -> None:
    assert said(as_answer(description("0 9"), description("0"))) == {"0": "pcmu/8000", "9": "g722/8000"}


@pytest.mark.parametrize(
    ("chosen", "current", "good"),
    [
        (description("0"), description("0 101", _101=DTMF), True),
        (description("0 101", _101=DTMF), description("0 101", _101=DTMF), True),
        (description("0 101", _101=DTMF), description("0 120", _120=DTMF), False),  # sent as 101, awaited as 120
        (description("8"), description("0"), False),  # the codec is gone
        (description("0"), description("0", port=4002), False),
        (description("0"), description("0", address="192.0.2.2"), False),
        (None, description("0"), False),
    ],
)
def test_what_still_holds_good(chosen: SessionDescription | None, current: SessionDescription, good: bool) -> None:
    told = description("0 8 101", _101=DTMF)
    assert holds_good(told, chosen, current) is good
