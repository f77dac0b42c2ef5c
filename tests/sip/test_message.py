"""Messages (RFC 3261 §7): parsing, printing, and what makes one unusable."""

from __future__ import annotations

from time import perf_counter

import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import CSeq, NameAddr, Via
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import MalformedError, parse
from c2c_b2bua.sip.reason import Why, said_in
from c2c_b2bua.sip.uri import Uri
from tests.corpora import golden

HEAD = [
    "OPTIONS sip:user@example.com SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa",
    "From: <sip:caller@example.com>;tag=1",
    "To: <sip:user@example.com>",
    "Call-ID: abc",
    "CSeq: 1 OPTIONS",
]


def message(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def request(*more: str, without: str = "", body: bytes = b"") -> Request:
    lines = [line for line in HEAD if not (without and line.startswith(without))]
    found = parse(message(*lines, *more, body=body))
    assert isinstance(found, Request)
    return found


# ── golden messages ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["invite.sip", "compact_folded.sip", "utf8.sip", "torture.sip"])
def test_survives_printing(name: str) -> None:
    first = parse(golden(name))
    first.check()
    second = parse(bytes(first))
    second.check()
    assert second.start_line() == first.start_line()
    assert second.headers == first.headers
    assert second.body == first.body
    assert bytes(second) == bytes(first)


def test_typical_invite_prints_as_it_came() -> None:
    assert bytes(parse(golden("invite.sip"))) == golden("invite.sip")


def test_typical_invite() -> None:
    invite = parse(golden("invite.sip"))
    assert isinstance(invite, Request)
    assert (invite.method, invite.uri, invite.version) == ("INVITE", "sip:1001@192.0.2.1:5060", "SIP/2.0")
    assert invite.via == Via("UDP", "192.0.2.10", 5060, {"branch": "z9hG4bKnashds8", "rport": None})
    assert invite.address("From") == NameAddr(
        Uri.parse("sip:alice@example.com"), "Alice Liddell", {"tag": "1928301774"}
    )
    assert (invite.from_tag, invite.to_tag) == ("1928301774", None)
    assert (invite.call_id, invite.cseq) == ("a84b4c76e66710@192.0.2.10", CSeq(314159, "INVITE"))
    assert invite.contact == NameAddr(Uri.parse("sip:alice@192.0.2.10:5060"))
    assert invite.tokens("Allow") == {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE"}
    assert invite.content_type == "application/sdp"
    assert invite.body.startswith(b"v=0\r\n") and invite.body.endswith(b"a=ptime:20\r\n")


def test_compact_forms_folds_and_lists() -> None:
    response = parse(golden("compact_folded.sip"))
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (200, "OK")
    assert response.values("Via") == [
        "SIP/2.0/UDP 192.0.2.1:5060 ;branch=z9hG4bK1-aaaa ;rport=5060;received=192.0.2.1",
        "SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKbbbb",
    ]
    assert response.via.branch == "z9hG4bK1-aaaa"
    assert response.address("To") == NameAddr(Uri.parse("sip:bob@example.com"), 'Bob, the "Builder"', {"tag": "theirs"})
    assert response.cseq == CSeq(7, "INVITE")
    assert response.contact == NameAddr(Uri.parse("sip:bob@192.0.2.20;transport=tcp"), "", {"q": "0.9"})
    assert response.values("Supported") == ["100rel", "timer", "path"]
    assert response.headers["Supported"] == ["100rel", "timer, path"]


def test_utf8() -> None:
    found = parse(golden("utf8.sip"))
    assert found.address("From").display_name == "Жанна д’Арк"
    assert found.address("To").display_name == "Béa"
    assert found.get("Subject") == "電話をください ☎"
    assert found.get("X-Unknown") == "ñandú"
    assert found.body.decode() == "grüß di"


def test_torture_of_our_own() -> None:
    found = parse(golden("torture.sip"))
    assert isinstance(found, Request)
    assert found.via.parameters == {"branch": "z9hG4bK-tort", "x": '"a,b;c\\"d"'}
    assert Via.parse(found.values("Via")[1]).host == "[2001:db8:0:0::7]"
    assert found.from_tag == "theirs"
    assert found.address("From").uri.parameters == {"tag": "uri"}
    assert found.to_tag == "1-ours"
    assert found.address("To").display_name == "<sip:not@this.one>;tag=nor-this"
    assert found.call_id == '(<>:\\/"[]?{})@torture'
    assert found.cseq.number == 2**31 - 1
    assert said_in(found) == Why("USER_BUSY", None, 'busy, "very"')
    assert found.headers["X-Empty"] == [""]
    assert found.body == b"\x00\r\n\xff"
    assert b"latin-1: \xe9\xe8" in bytes(found)


# ── start lines ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("sip/2.0 486 Busy Here", 486, "Busy Here"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 180", 180, ""),
        ("SIP/2.0 699 = 2**3 * 5**2 но", 699, "= 2**3 * 5**2 но"),
    ],
)
def test_status_lines(line: str, status: int, reason: str) -> None:
    found = parse(message(line))
    assert isinstance(found, Response)
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "SIP/2.0",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 4294967301 x",
        "SIP/2.0  200 OK",
        "INVITE",
        "INVITE sip:a@b",
        "GET / HTTP/1.1",
        "\x00\x01\x02",
    ],
)
def test_start_lines_that_are_none(line: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(message(line))
    assert caught.value.request is None


@pytest.mark.parametrize(
    "line",
    [
        "INVITE  sip:user@example.com SIP/2.0",
        "INVITE sip:user@example.com  SIP/2.0",
        "INVITE <sip:user@example.com> SIP/2.0",
        "INVITE sip:user@example.com; lr SIP/2.0",
        "INVITE sip:user@example.com SIP/2.0 ",
    ],
)
def test_wrong_request_lines_can_still_be_answered(line: str) -> None:
    found = parse(message(line, *HEAD[1:5], "CSeq: 1 INVITE"))
    assert isinstance(found, Request)
    assert found.method == "INVITE"
    with pytest.raises(SipError) as caught:
        found.check()
    assert caught.value.status == 400


def test_other_versions_are_refused_with_505() -> None:
    found = parse(message("OPTIONS sip:a@b SIP/7.0", *HEAD[1:]))
    with pytest.raises(SipError) as caught:
        found.check()
    assert caught.value.status == 505


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fold_is_one_space() -> None:
    found = request("Subject: one\r\n two\r\n\t  three", "s: four\r\n \r\n five")
    assert found.headers["Subject"] == ["one two three", "four five"]


def test_folds_after_an_equal_sign() -> None:
    """The quick look at branch and tag kept the blank; the transaction was not found."""
    found = parse(
        message(
            "SIP/2.0 200 OK",
            "v: SIP/2.0/UDP h;branch=\r\n z9hG4bKa",
            "f: <sip:a@b>;tag=\r\n 1",
            "t: <sip:c>;tag= 2 ",
            *HEAD[4:],
        )
    )
    found.check()
    assert (found.branch, found.from_tag, found.to_tag) == ("z9hG4bKa", "1", "2")


def test_separate_headers_and_lists_are_the_same() -> None:
    apart = request("Route: <sip:a;lr>", "Route: <sip:b;lr>,<sip:c;lr>")
    joined = request("ROUTE: <sip:a;lr>, <sip:b;lr>, <sip:c;lr>")
    assert apart.values("Route") == joined.values("Route") == ["<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"]


def test_order_within_a_name_is_kept() -> None:
    assert request("X-A: 1", "X-B: 2", "x-a: 3").headers["X-A"] == ["1", "3"]


def test_unknown_headers_are_kept() -> None:
    found = request("X-Custom-Thing: yes; really", "P-Charge-Info: <sip:x>")
    assert b"\r\nX-Custom-Thing: yes; really\r\n" in bytes(found)
    assert b"\r\nP-Charge-Info: <sip:x>\r\n" in bytes(found)


def test_bytes_that_are_no_utf8_survive() -> None:
    data = message(*HEAD).replace(b"\r\n\r\n", b"\r\nSubject: \xff\xfe\x80 caf\xe9\r\n\r\n")
    assert b"\r\nSubject: \xff\xfe\x80 caf\xe9\r\n" in bytes(parse(data))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_missing_mandatory_header(name: str) -> None:
    with pytest.raises(SipError) as caught:
        request(without=f"{name}:").check()
    assert (caught.value.reason, caught.value.status) == (f"missing {name}", 400)


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_empty_mandatory_header(name: str) -> None:
    with pytest.raises(SipError):
        request(f"{name}:", without=f"{name}:").check()


@pytest.mark.parametrize(
    "line",
    ["From: <sip:x@y>;tag=2", "t: <sip:x@y>", "i: other", "CSeq: 2 OPTIONS"],
)
def test_duplicate_mandatory_header(line: str) -> None:
    with pytest.raises(SipError, match="more than one"):
        request(line).check()


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_response_without_mandatory_header(name: str) -> None:
    lines = [line for line in HEAD[1:] if not line.startswith(f"{name}:")]
    with pytest.raises(SipError, match=f"missing {name}"):
        parse(message("SIP/2.0 200 OK", *lines)).check()


@pytest.mark.parametrize("value", ["-1", "256", "300", "x", "", "9" * 5000, "٣", "7 0", "1e2"])
def test_max_forwards_that_is_none(value: str) -> None:
    """The 5000 digits made int() raise ValueError out of the core."""
    with pytest.raises(SipError):
        request(f"Max-Forwards: {value}").check()


@pytest.mark.parametrize("value", ["0", "70", "0068", "255", "0" * 5000 + "1"])
def test_max_forwards(value: str) -> None:
    request(f"Max-Forwards: {value}").check()


@pytest.mark.parametrize("line", ["no colon here", "Fr om: x", ": x", "<sip:a@b>", "Vía: x"])
def test_header_lines_that_are_none(line: str) -> None:
    with pytest.raises(MalformedError) as caught:
        request(line)
    assert caught.value.request is not None
    assert caught.value.request.call_id == "abc"


@pytest.mark.parametrize("evil", ["Subject: a\nEvil: b", "Subject: a\rEvil: b", "Subject: a\x00b", "a\nb: c"])
def test_bare_line_ends_and_nul_are_refused(evil: str) -> None:
    with pytest.raises(MalformedError):
        request(evil)


def test_nul_in_a_quoted_pair_is_lawful() -> None:
    assert request('Subject: "NUL:\\\x00"').get("Subject") == '"NUL:\\\x00"'


def test_cseq_must_name_the_method() -> None:
    with pytest.raises(SipError, match="CSeq names INVITE"):
        request("CSeq: 1 INVITE", without="CSeq").check()


def test_long_runs_of_blanks_are_read_at_once() -> None:
    """A fold pattern that began with [ \\t]* was quadratic: 60 000 blanks in one datagram took seconds."""
    started = perf_counter()
    request("Subject: a" + " " * 60_000 + "b\r\n c")
    assert perf_counter() - started < 0.5


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "body", "kept"),
    [
        ((), b"all of it", b"all of it"),
        (("Content-Length: 3",), b"all of it", b"all"),
        (("l: 0",), b"garbage", b""),
        (("Content-Length: 3", "Content-Length: 3"), b"abc", b"abc"),
        (("Content-Length:\r\n   3",), b"abc", b"abc"),
        (("Content-Length   : 0003",), b"abc", b"abc"),
    ],
)
def test_content_length(lines: tuple[str, ...], body: bytes, kept: bytes) -> None:
    found = request(*lines, body=body)
    assert found.body == kept
    assert f"Content-Length: {len(kept)}\r\n\r\n".encode() in bytes(found)
    assert "Content-Length" not in found.headers


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 4",),
        ("Content-Length: -1",),
        ("Content-Length: x",),
        ("Content-Length:",),
        ("l: 1", "l: 2"),
        ("l: ٣",),
        ("l: " + "9" * 5000,),
        ("l: 1, 1",),
    ],
)
def test_content_length_that_lies(lines: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError) as caught:
        request(*lines, body=b"abc")
    assert caught.value.request is not None


def test_a_head_needs_its_empty_line() -> None:
    with pytest.raises(MalformedError, match="does not end"):
        parse("\r\n".join(HEAD).encode())


# ── what we print ────────────────────────────────────────────────────────────────────────────────────────────────────

INJECTIONS = ["a\r\nEvil: yes", "a\nEvil: yes", "a\rEvil: yes", "a\r\n\r\nbody", "a\x00b", "a\r\n folded"]


@pytest.mark.parametrize("value", INJECTIONS)
def test_line_ends_and_nul_never_reach_the_wire(value: str) -> None:
    for evil in (
        Request("OPTIONS", "sip:a@b", {"Subject": [value]}),
        Request("OPTIONS", "sip:a@b", {value: ["x"]}),
        Request("OPTIONS", value, {}),
        Request(value, "sip:a@b", {}),
        Response(200, value, {}),
    ):
        with pytest.raises(ValueError, match="line end or NUL"):
            bytes(evil)


def test_response_copies_what_it_must() -> None:
    asked = request("Via: SIP/2.0/TCP second;branch=z9hG4bKb", "Timestamp: 54", "Record-Route: <sip:p;lr>")
    assert bytes(asked.response(100, to_tag="ours")) == (
        b"SIP/2.0 100 Trying\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n"
        b"Via: SIP/2.0/TCP second;branch=z9hG4bKb\r\n"
        b"From: <sip:caller@example.com>;tag=1\r\n"
        b"To: <sip:user@example.com>;tag=ours\r\n"
        b"Call-ID: abc\r\n"
        b"CSeq: 1 OPTIONS\r\n"
        b"Timestamp: 54\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert "Timestamp" not in asked.response(200).headers


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        ("<sip:u@e>", "<sip:u@e>;tag=ours"),
        ("<sip:u@e>;tag=theirs", "<sip:u@e>;tag=theirs"),
        ("<sip:u@e> ;\t TAG\t= theirs", "<sip:u@e> ;\t TAG\t= theirs"),
        ("<sip:u@e;tag=uri>", "<sip:u@e;tag=uri>;tag=ours"),
        ('"x;tag=1" <sip:u@e>', '"x;tag=1" <sip:u@e>;tag=ours'),
        ("sip:u@e", "sip:u@e;tag=ours"),
    ],
)
def test_a_response_gets_a_to_tag_where_none_is(to: str, answered: str) -> None:
    assert request(f"To: {to}", without="To").response(200, to_tag="ours").headers["To"] == [answered]


def test_speed_is_of_the_right_order() -> None:
    """60 000 a second on a quiet machine; a fifth of it even on a busy one."""
    data = golden("invite.sip")
    best = 1.0
    for _ in range(5):
        started = perf_counter()
        for _ in range(500):
            bytes(parse(data))
        best = min(best, (perf_counter() - started) / 500)
    assert best < 5 / 60_000
