"""What others send is not kept for ever: long texts that differ each time leave nothing behind in what is remembered."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Hop, Interface, Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from tests.registration.desk_phone import BOB, DOMAIN, NOW, config

UDP = Interface("UDP", "192.0.2.1", 5060)
STRANGER = Flow(UDP, "203.0.113.66", 5060)
LONG = 20_000
TIMES = 300
MEGABYTE = 1_000_000


def growth(work: Callable[[int], object]) -> int:
    """Bytes that are still there after doing it many times."""
    work(0)
    gc.collect()
    tracemalloc.start()
    for number in range(1, TIMES):
        work(number)
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return left


def request(number: int, **parts: str) -> bytes:
    """OPTIONS of a stranger, or REGISTER; `parts` replaces header values."""
    method = parts.get("method", "OPTIONS")
    lines = {
        "Via": f"SIP/2.0/UDP 203.0.113.66;branch=z9hG4bK{number}",
        "From": "<sip:x@y>;tag=theirs",
        "To": f"<sip:1002@{DOMAIN}>",
        "Call-ID": f"{number}",
        "CSeq": f"{number + 1} {method}",
        "Contact": "<sip:x@203.0.113.66>",
        **{name.replace("_", "-"): value for name, value in parts.items() if name not in ("method", "uri")},
    }
    head = f"{method} {parts.get('uri', f'sip:{DOMAIN}')} SIP/2.0\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n").encode()


def long(number: int) -> str:
    return f"{number:06}" + "a" * LONG


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE"])
@pytest.mark.parametrize("place", ["uri", "From", "To", "CSeq", "Contact", "Via", "Call_ID", "Authorization", "X_Y"])
def test_a_stranger(method: str, place: str) -> None:
    b2bua = B2bua(Interfaces([UDP]), Tokens(b"x"), answer_strangers=True)
    b2bua.registrar.open(config.Registrar(), [BOB], b"nonces", NOW)

    def send(number: int) -> None:
        text = long(number)
        value = {
            "uri": f"sip:{text}@{DOMAIN}", "From": f"<sip:{text}@y>;tag=1", "To": f"<sip:{text}@{DOMAIN}>",
            "CSeq": f"1 {text}", "Contact": f"<sip:{text}@h>", "Via": f"SIP/2.0/UDP {text};branch=z9hG4bK{number}",
            "Call_ID": text, "Authorization": f'Digest realm="{text}"', "X_Y": text,
        }[place]  # fmt: skip
        b2bua.receive(request(number, method=method, **{place: value}), STRANGER, NOW)
        while (due := b2bua.next_due) is not None:
            b2bua.tick(due)

    assert growth(send) < MEGABYTE


@pytest.mark.parametrize("header", ["CSeq", "Contact", "X-Y", "Server", "Via", "To"])
def test_responses_to_nothing(header: str) -> None:
    b2bua = B2bua(Interfaces([UDP]), Tokens(b"x"))

    def send(number: int) -> None:
        lines = {
            "Via": f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}", "From": "<sip:x@y>;tag=1", "To": "<sip:a@b>;tag=2",
            "Call-ID": "1", "CSeq": "1 INVITE",
        }  # fmt: skip
        lines[header] = {"CSeq": f"1 {long(number)}", "Contact": f"<sip:{long(number)}@h>"}.get(
            header, f"<sip:{long(number)}@h>;tag={number}"
        )
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        b2bua.receive(f"SIP/2.0 200 OK\r\n{text}\r\n".encode(), STRANGER, NOW)

    assert growth(send) < MEGABYTE


def test_descriptions() -> None:
    """A phone that is in a call may say long things."""

    def read(number: int) -> None:
        text = (
            f"v=0\r\no=- 1 1 IN IP4 h\r\ns={long(number)}\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        assert SessionDescription.parse(text.encode()).media

    assert growth(read) < MEGABYTE


def test_uris_and_hops() -> None:
    def read(number: int) -> None:
        with suppress(SipError):
            Hop.of(Uri.parse(f"sip:{long(number)}.example.com"))

    assert growth(read) < MEGABYTE


def test_a_description_without_end_is_refused() -> None:
    with pytest.raises(SipError) as error:
        SessionDescription.parse(b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n" + b"a=x\r\n" * 20_000)
    assert error.value.status == 488
