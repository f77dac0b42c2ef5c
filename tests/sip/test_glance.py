"""What is read at a glance is what would have been read line by line."""

from __future__ import annotations

from time import process_time

import pytest

from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reading import MalformedError, glance, parse, read_closely
from c2c_b2bua.transaction.matching import response_key

VIA = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport"
FROM, TO = "From: <sip:a@x>;tag=1", "To: <sip:b@y>;tag=2"
CALL_ID, CSEQ = "Call-ID: 7@x", "CSeq: 1 INVITE"
MORE = ("Contact: <sip:b@192.0.2.9>", "Allow: INVITE, ACK", "Allow: BYE", "Content-Length: 4")
ORDERS = {
    "SIPp, linphone, Sofia": (VIA, FROM, TO, CALL_ID, CSEQ),
    "PJSIP": (VIA, CALL_ID, FROM, TO, CSEQ),
    "baresip": (VIA, TO, FROM, CALL_ID, CSEQ),
}


def read(*lines: str, start: str = "SIP/2.0 200 OK", body: bytes = b"body") -> tuple[Response | None, str]:
    head = "\r\n".join((start, *lines))
    return glance(head, body), head


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_three_orders_of_headers_are_seen_at_a_glance(order: tuple[str, ...]) -> None:
    seen, head = read(*order, *MORE)
    assert seen is not None
    closely = read_closely(head, True, b"body")
    assert isinstance(closely, Response)
    assert (seen.status, seen.reason, seen.headers, seen.body) == (200, "OK", closely.headers, b"body")
    assert seen.headers["Allow"] == ["INVITE, ACK", "BYE"]


def test_blanks_around_values_do_not_count() -> None:
    seen, _ = read(f"{VIA} \t", "From:  <sip:a@x>;tag=1 ", f"{TO}\t", f"{CALL_ID} ", f"{CSEQ} ", "Contact:<sip:b@z> ")
    assert seen is not None
    assert (seen.branch, seen.from_tag, seen.to_tag, seen.call_id) == ("z9hG4bK1", "1", "2", "7@x")
    assert seen.get("Contact") == "<sip:b@z>"


@pytest.mark.parametrize(
    "lines",
    [
        (VIA, VIA, FROM, TO, CALL_ID, CSEQ, "Server: x"),
        (f"{VIA}, SIP/2.0/UDP 192.0.2.2", FROM, TO, CALL_ID, CSEQ, "Server: x"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "From: <sip:other@x>;tag=1"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "t: <sip:other@x>"),
        (VIA, TO, FROM, TO, CALL_ID, CSEQ, "Server: x"),
        (VIA, CALL_ID, FROM, TO, CALL_ID, CSEQ, "Server: x"),
        (VIA, FROM, CALL_ID, CSEQ, "Server: x"),
        (VIA, FROM, TO, CSEQ, "Server: x"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Server: x", " folded"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "no colon"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Own-Header: x"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Server: a\rb"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Server: a\nb"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Server: a\0b"),
        (VIA, FROM, f"{TO}\n", CALL_ID, CSEQ, "Server: x"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: 4", "Content-Length: 3"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: 5"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: -4"),
        (VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: \u0664"),
        (VIA, FROM, TO, CALL_ID, CSEQ),
    ],
)
def test_what_looks_otherwise_is_read_closely(lines: tuple[str, ...]) -> None:
    assert read(*lines)[0] is None


def test_the_body_ends_where_content_length_says() -> None:
    seen, _ = read(VIA, FROM, TO, CALL_ID, CSEQ, "l: 2")
    assert seen is not None and seen.body == b"bo"
    seen, _ = read(VIA, FROM, TO, CALL_ID, CSEQ, "Server: x")
    assert seen is not None and seen.body == b"body"


def test_a_head_without_end_is_no_message() -> None:
    head = "\r\n".join(("SIP/2.0 200 OK", VIA, FROM, TO, CALL_ID, CSEQ, "Server: x"))
    with pytest.raises(MalformedError, match="empty line"):
        parse(head.encode())


def test_two_messages_of_one_phone_share_nothing_that_is_their_own() -> None:
    one, _ = read(VIA, FROM, TO, CALL_ID, CSEQ, *MORE)
    two, _ = read(VIA, FROM, TO, CALL_ID, CSEQ, *MORE)
    assert one is not None and two is not None
    one.headers["Via"].append("another")
    one.headers["Contact"] = ["another"]
    assert two.headers["Via"] == [VIA[5:]] and two.get("Contact") == "<sip:b@192.0.2.9>"


@pytest.mark.parametrize("via", [VIA, "Via: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;received=192.0.2.9;branch=z9hG4bK1 "])
@pytest.mark.parametrize(
    "to", ["<sip:b@y>;tag=2", "<sip:b@y>;x=1;tag=2", "sip:b@y;tag=2", '"a>;tag=9" <sip:b@y>', "<sip:b@y>"]
)
def test_what_a_response_is_sorted_by_is_what_reading_closely_finds(via: str, to: str) -> None:
    seen, head = read(via, FROM, f"To: {to}", CALL_ID, CSEQ, "Server: x")
    closely = read_closely(head, True, b"body")
    assert seen is not None and isinstance(closely, Response)
    assert seen.key == response_key(closely) == "z9hG4bK1 INVITE"
    assert (seen.to_tag, seen.cseq) == (closely.to_tag, closely.cseq)


@pytest.mark.parametrize(
    "via", ["x;branch=" + "a" * 60_000, "x" + ";branch=a" * 7_000, "x" + ";a" * 30_000, "a" * 60_000, ";" * 60_000]
)
def test_long_nonsense_takes_no_more_time_than_its_length(via: str) -> None:
    """One of these took ten seconds with a pattern whose parts could share out the text in many ways."""
    started = process_time()
    assert read(f"Via: SIP/2.0/UDP {via}", TO, CALL_ID, CSEQ, "Server: x")[0] is None
    assert process_time() - started < 2
