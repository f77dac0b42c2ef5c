"""A call drawn as it goes."""

from __future__ import annotations

import pytest

from c2c_b2bua.ladder import HEAD, WIDTH, Ladder, Rung

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"


def message(start: str, call_id: str, body: str = "") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def drawn(ladder: Ladder, direction: str, data: bytes) -> Rung:
    rung = ladder.rung(direction, data, 101.5)
    assert rung is not None
    return rung


def test_legs_are_known_by_the_order_of_their_invites() -> None:
    ladder = Ladder(100.0)
    invite = "INVITE sip:x@y SIP/2.0"
    assert ladder.rung("<-", message("SIP/2.0 200 OK", "scanner"), 100.0) is None
    assert ladder.rung("->", message("OPTIONS sip:x@y SIP/2.0", "scanner"), 100.0) is None
    assert drawn(ladder, "<-", message(invite, "one")).leg == "a"
    assert drawn(ladder, "->", message("SIP/2.0 180 Ringing", "one")).leg == "a"
    assert drawn(ladder, "<-", message(invite, "two")).leg == "b"
    assert ladder.rung("<-", message(invite, "three"), 100.0) is None
    assert ladder.rung("->", b"nonsense", 100.0) is None


def test_arrows_point_from_the_sender_to_the_receiver() -> None:
    ladder = Ladder(100.0)
    to_a = drawn(ladder, "<-", message("INVITE sip:x@y SIP/2.0", "one"))
    from_a = drawn(ladder, "->", message("SIP/2.0 200 OK", "one"))
    to_b = drawn(ladder, "<-", message("INVITE sip:x@y SIP/2.0", "two"))
    from_b = drawn(ladder, "->", message("SIP/2.0 486 Busy Here", "two"))
    space = " " * WIDTH
    assert [str(rung) for rung in (to_a, from_a, to_b, from_b)] == [
        f"  1.500  │<───────────── INVITE ────────────│{space}│",
        f"  1.500  │───────────── 200 OK ────────────>│{space}│",
        f"  1.500  │{space}│───────────── INVITE ────────────>│",
        f"  1.500  │{space}│<───────── 486 Busy Here ─────────│",
    ]
    assert [rung.status for rung in (to_a, from_a, to_b, from_b)] == [0, 200, 0, 486]
    assert (HEAD.index("A"), HEAD.index("c2c") + 1, HEAD.index("B")) == (9, 44, 79)  # over the three lines


@pytest.mark.parametrize(
    ("start", "port", "direction", "said"),
    [
        ("SIP/2.0 200 OK", 40000, "inactive", "── 200 OK (RTP 40000 inactive) ──"),
        ("INVITE sip:x@y SIP/2.0", 40000, "sendrecv", "─ INVITE (RTP 40000) ─"),
        ("INVITE sip:x@y SIP/2.0", 9, "inactive", "─ INVITE (inactive) ─"),
        ("INVITE sip:x@y SIP/2.0", 0, "sendrecv", "─ INVITE (no media) ─"),
        ("SIP/2.0 183 Session Progress", 40000, "sendonly", "─ 183 Se… (RTP 40000 sendonly) ─"),
        ("SIP/2.0 481 Call/Transaction Does Not Exist", 40000, "", "─ 481 Call/Transa… (RTP 40000) ─"),
    ],
)
def test_what_a_message_says_fits(start: str, port: int, direction: str, said: str) -> None:
    ladder = Ladder(0.0)
    drawn(ladder, "<-", message("INVITE sip:x@y SIP/2.0", "one"))
    rung = drawn(ladder, "<-", message(start, "one", SDP.format(port=port, direction=direction or "sendrecv")))
    assert said in rung.arrow
    assert len(rung.arrow) == WIDTH
    assert len(str(rung)) == 80


def test_sdp_that_cannot_be_read() -> None:
    assert "INVITE (bad SDP)" in drawn(Ladder(0.0), "<-", message("INVITE sip:x@y SIP/2.0", "one", "hello")).arrow


def test_a_note() -> None:
    assert Ladder(100.0).note("HTTP answered", 100.25) == "  0.250  ┆ HTTP answered"
