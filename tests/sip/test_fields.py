"""Header fields with a structure (RFC 3261 §20)."""

from __future__ import annotations

import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import Challenge, CSeq, NameAddr, Via
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.grammar import quote, split_list, unquote
from c2c_b2bua.sip.uri import Uri

UDP = Interface("UDP", "192.0.2.1", 5060)
UDP6 = Interface("UDP", "2001:db8::1", 5060)
TCP = Interface("TCP", "192.0.2.1", 5060)

NAME_ADDRS = [
    ("<sip:bob@biloxi.com>", "", "sip:bob@biloxi.com", {}),
    ("Bob <sip:bob@biloxi.com>;tag=a6c85cf", "Bob", "sip:bob@biloxi.com", {"tag": "a6c85cf"}),
    ('"Bob" <sip:bob@biloxi.com> ;tag=a6c85cf', "Bob", "sip:bob@biloxi.com", {"tag": "a6c85cf"}),
    ('"A. G. Bell"<sip:agb@bell.com>;tag=a48s', "A. G. Bell", "sip:agb@bell.com", {"tag": "a48s"}),
    ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", {"tag": "323"}),
    (
        r'"J Rosenberg \\\"" <sip:jdrosen@example.com> ; tag = 98asjd8',
        'J Rosenberg \\"',
        "sip:jdrosen@example.com",
        {"tag": "98asjd8"},
    ),
    ('"Bell, Alexander; <x>" <sip:a.g.bell@example.com>', "Bell, Alexander; <x>", "sip:a.g.bell@example.com", {}),
    ('"" <sip:a@b>', "", "sip:a@b", {}),
    ("Иван <sip:ivan@example.com>", "Иван", "sip:ivan@example.com", {}),
    ("<sip:a@b;transport=tcp>;expires=3600;q=0.7", "", "sip:a@b;transport=tcp", {"expires": "3600", "q": "0.7"}),
    # addr-spec: parameters belong to the header (§20)
    ("sip:+12125551212@phone2net.com;tag=887s", "", "sip:+12125551212@phone2net.com", {"tag": "887s"}),
    ("sip:vivekg@example.com ;   tag    = 1918181833n", "", "sip:vivekg@example.com", {"tag": "1918181833n"}),
    ("isbn:2983792873", "", "isbn:2983792873", {}),
    ('<sip:a@b>;text="x;y=\\"z>\\""', "", "sip:a@b", {"text": '"x;y=\\"z>\\""'}),
    ('sip:a@b;+sip.instance="<urn:uuid:1>"', "", "sip:a@b", {"+sip.instance": '"<urn:uuid:1>"'}),
    ("<sip:a@b>;flag", "", "sip:a@b", {"flag": None}),
]


@pytest.mark.parametrize(("text", "name", "uri", "parameters"), NAME_ADDRS)
def test_name_addr(text: str, name: str, uri: str, parameters: dict[str, str | None]) -> None:
    address = NameAddr.parse(text)
    assert address == NameAddr(Uri.parse(uri), name, parameters)
    assert NameAddr.parse(str(address)) == address


REFUSED_NAME_ADDRS = [
    "",
    "<>",
    "< sip:t.watson@example.org >",
    '"Watson <sip:t.watson@example.org>',
    '"Watson" x <sip:t.watson@example.org>',
    '"Watson"',
    "Bell, Alexander <sip:a.g.bell@example.com>",
    "<sip:a@b",
    "<sip:a@b>;tag=1;tag=2",
    "<sip:a@b>;;",
    "<sip:a@b> trailing",
    "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
    "sip:a,b@example.com",
    '<sip:a@b>;x="unterminated',
]


@pytest.mark.parametrize("text", REFUSED_NAME_ADDRS)
def test_name_addr_refuses(text: str) -> None:
    with pytest.raises(SipError):
        NameAddr.parse(text)


def test_name_addr_prints_quotes_and_escapes() -> None:
    address = NameAddr(Uri.parse("sip:a@b"), 'say "hi" \\ bye\r\n', {"tag": "1"})
    assert str(address) == '"say \\"hi\\" \\\\ bye" <sip:a@b>;tag=1'


def test_loose_routes_are_told_by_lr() -> None:
    assert NameAddr.parse("<sip:p1.example.com;lr>").is_loose
    assert NameAddr.parse("<sip:p1.example.com;%6Cr>").is_loose
    assert not NameAddr.parse("<sip:p1.example.com>;lr").is_loose


@pytest.mark.parametrize("text", ['"' * 1, '"a\\"', '"\n"', '"\x01"'])
def test_quoted_strings_that_are_none(text: str) -> None:
    with pytest.raises(SipError):
        NameAddr.parse(f"{text} <sip:a@b>")


@pytest.mark.parametrize("text", ["", "plain", 'with "quotes"', "back\\slash", "tab\tkept?", "ünïcödé"])
def test_quote_and_unquote(text: str) -> None:
    printable = text.replace("\t", "")
    assert unquote(quote(text)) == printable


SPLITS = [
    ("a", ["a"]),
    ("a, b ,c", ["a", "b", "c"]),
    ('"a, b" <sip:a@b>, <sip:c@d;x=1,2>;y="z,", sip:e@f', ['"a, b" <sip:a@b>', '<sip:c@d;x=1,2>;y="z,"', "sip:e@f"]),
    ('"esc\\", aped" <sip:a@b>,<sip:c@d>', ['"esc\\", aped" <sip:a@b>', "<sip:c@d>"]),
    ('"open, <sip:a@b>', ['"open, <sip:a@b>']),
]


@pytest.mark.parametrize(("text", "parts"), SPLITS)
def test_comma_lists(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


# ── Via ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

VIAS = [
    ("SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776", Via("UDP", "pc33.atlanta.com", None, {"branch": "z9hG4bK776"})),
    ("SIP/2.0/udp 192.0.2.1:5060 ;received=192.0.2.207", Via("UDP", "192.0.2.1", 5060, {"received": "192.0.2.207"})),
    (
        "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8",
        Via("TCP", "spindle.example.com", None, {"branch": "z9hG4bK9ikj8"}),
    ),
    (
        "SIP/2.0/TLS [2001:db8::9:255]:5061;branch=z9hG4bKa;rport",
        Via("TLS", "[2001:db8::9:255]", 5061, {"branch": "z9hG4bKa", "rport": None}),
    ),
    (
        "SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
        Via("UNKNOWN", "t4.example.com", None, {"branch": "z9hG4bKasd0f3en"}),
    ),
    (
        "SIP/2.0/UDP first.example.com : 4000;ttl=16;maddr=224.2.0.1",
        Via("UDP", "first.example.com", 4000, {"ttl": "16", "maddr": "224.2.0.1"}),
    ),
    ("SIP/2.0/UDP h;received=2001:db8::1", Via("UDP", "h", None, {"received": "2001:db8::1"})),
    ("SIP/7.0/UDP c.example.com;branch=z9hG4bKk", Via("UDP", "c.example.com", None, {"branch": "z9hG4bKk"}, "7.0")),
]


@pytest.mark.parametrize(("text", "via"), VIAS)
def test_via(text: str, via: Via) -> None:
    assert Via.parse(text) == via
    assert Via.parse(str(via)) == via


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 UDP host",
        "HTTP/2.0/UDP host",
        "SIP/2.0/UDP host:70000",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP h;branch=a;branch=b",
    ],
)
def test_via_refuses(text: str) -> None:
    with pytest.raises(SipError):
        Via.parse(text)


RECEIVED = [
    # (Via, source) -> Via of the response, where the response goes
    (
        "SIP/2.0/UDP 192.0.2.4:5070;branch=b",
        UDP,
        ("192.0.2.4", 5070),
        "SIP/2.0/UDP 192.0.2.4:5070;branch=b",
        ("192.0.2.4", 5070),
    ),
    ("SIP/2.0/UDP 192.0.2.4;branch=b", UDP, ("192.0.2.4", 9999), "SIP/2.0/UDP 192.0.2.4;branch=b", ("192.0.2.4", 5060)),
    (
        "SIP/2.0/UDP bob.example;branch=b",
        UDP,
        ("192.0.2.4", 9999),
        "SIP/2.0/UDP bob.example;branch=b;received=192.0.2.4",
        ("192.0.2.4", 5060),
    ),
    (
        "SIP/2.0/UDP 10.1.1.1:4540;rport;branch=b",
        UDP,
        ("192.0.2.4", 9988),
        "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=b;received=192.0.2.4",
        ("192.0.2.4", 9988),
    ),
    (
        "SIP/2.0/UDP 192.0.2.4:4540;rport;branch=b",
        UDP,
        ("192.0.2.4", 4540),
        "SIP/2.0/UDP 192.0.2.4:4540;rport=4540;branch=b;received=192.0.2.4",
        ("192.0.2.4", 4540),
    ),
    (
        "SIP/2.0/UDP [2001:db8::4]:5070;branch=b",
        UDP6,
        ("2001:db8::4", 5070),
        "SIP/2.0/UDP [2001:db8::4]:5070;branch=b",
        ("2001:db8::4", 5070),
    ),
    (
        "SIP/2.0/TCP bob.example;branch=b",
        TCP,
        ("192.0.2.4", 40000),
        "SIP/2.0/TCP bob.example;branch=b;received=192.0.2.4",
        ("192.0.2.4", 40000),
    ),
    (
        "SIP/2.0/UDP 192.0.2.9;received=203.0.113.7;branch=b",
        UDP,
        ("192.0.2.4", 9),
        "SIP/2.0/UDP 192.0.2.9;received=192.0.2.4;branch=b",
        ("192.0.2.4", 5060),
    ),
]


@pytest.mark.parametrize(("text", "interface", "source", "seen", "goes"), RECEIVED)
def test_received_and_rport(
    text: str, interface: Interface, source: tuple[str, int], seen: str, goes: tuple[str, int]
) -> None:
    flow = Flow(interface, *source)
    via = Via.parse(text)
    assert str(via.received_over(flow)) == seen
    assert via.reply_flow(flow) == Flow(interface, *goes)


# ── CSeq, challenges ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_cseq() -> None:
    assert CSeq.parse("4711 INVITE") == CSeq(4711, "INVITE")
    assert CSeq.parse("0009   INVITE") == CSeq(9, "INVITE")
    assert CSeq.parse("2147483647 !odd-Method") == CSeq(2**31 - 1, "!odd-Method")
    assert str(CSeq(1, "ACK")) == "1 ACK"


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "-1 INVITE", "2147483648 INVITE", "9" * 5000 + " A", "1 A B", "٣ INVITE"]
)
def test_cseq_refuses(text: str) -> None:
    with pytest.raises(SipError):
        CSeq.parse(text)


def test_challenge() -> None:
    challenge = Challenge.parse(
        'Digest realm="atlanta.com",\tdomain="sip:boxesbybob.com", qop="auth,auth-int",'
        ' nonce="f84f1cec\\"41e6", opaque="", stale=FALSE, algorithm=MD5'
    )
    assert challenge == Challenge(
        "Digest",
        {
            "realm": "atlanta.com",
            "domain": "sip:boxesbybob.com",
            "qop": "auth,auth-int",
            "nonce": 'f84f1cec"41e6',
            "opaque": "",
            "stale": "FALSE",
            "algorithm": "MD5",
        },
    )
    assert Challenge.parse("NoOneKnowsThisScheme opaque-data=here").parameters == {"opaque-data": "here"}
    assert Challenge.parse("Negotiate") == Challenge("Negotiate", {})


@pytest.mark.parametrize(
    "text", ["", "Dig/est x=1", 'Digest realm="open', "Digest realm", "Digest a=1,,b=2", "Digest a=b c"]
)
def test_challenge_refuses(text: str) -> None:
    with pytest.raises(SipError):
        Challenge.parse(text)
