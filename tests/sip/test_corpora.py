"""The messages of RFC 3665 and RFC 4475: what others wrote to try a parser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.dialog.extensions import ALLOW
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.fields import CSeq, NameAddr, Via
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.framing import Framer
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import MalformedError, parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Send
from tests.corpora import ROOT, corpus_files, read

BROKEN_FOLD = "3.10-F4-INVITE-Proxy-2-Bob.sip"
MISSING_COMMA = "2.1-F3-REGISTER-Bob-SIP-Server.sip"
"""The RFC forgot one between realm and nonce."""
TORN = {
    "3.10-F1-INVITE-Alice-Proxy-1.sip",
    "3.3-F19-ACK-Alice-Proxy-1.sip",
    "3.5-F2-INVITE-SIP-ALG-Proxy-2.sip",
}
"""A page of the RFC ended inside their credentials, and the rest is not in the file."""


def same_again(first: Request | Response) -> None:
    """Printing loses nothing, and is stable."""
    second = parse(bytes(first))
    assert type(second) is type(first)
    if first.start_line().count("  ") == 0:
        assert second.start_line() == first.start_line()
    assert (second.headers, second.body) == (first.headers, first.body)
    assert bytes(second) == bytes(first)


# ── RFC 3665 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", [path for path in corpus_files("rfc3665", "*.sip") if path.name != BROKEN_FOLD], ids=lambda path: path.stem
)
def test_basic_call_flows(path: Path) -> None:
    data = read(path)
    message = parse(data)
    message.check()
    head, _, body = data.partition(b"\r\n\r\n")
    assert message.body == body
    start = head.split(b"\r\n")[0].decode()
    assert message.start_line() == start
    expected_cseq = message.method if isinstance(message, Request) else message.cseq.method
    assert message.cseq.method == expected_cseq
    assert message.via.branch.startswith("z9hG4bK")
    assert message.from_tag
    for name in ("Contact", "Route", "Record-Route"):
        for value in message.values(name):
            if value != "*":
                assert NameAddr.parse(value).uri.scheme in ("sip", "sips", "mailto")
    for value in message.values("Via"):
        assert Via.parse(value).branch.startswith("z9hG4bK")
    for name in ("WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization"):
        if path.name == MISSING_COMMA and name in message.headers:
            with pytest.raises(SipError):
                message.challenges(name)
            continue
        for challenge in message.challenges(name):
            assert challenge.scheme == "Digest"
            assert "nonce" in challenge.parameters or path.name in TORN
    same_again(message)
    assert list(Framer().feed(bytes(message) * 2)) == [bytes(message)] * 2


def test_the_one_with_a_fold_that_is_none() -> None:
    """3.10-F4 breaks a Record-Route over two lines, the second without a blank before it: no header line, a 400."""
    data = read(ROOT / "rfc3665" / BROKEN_FOLD)
    assert b";lr>,\r\n<sip:ss1." in data
    with pytest.raises(MalformedError) as caught:
        parse(data)
    request = caught.value.request
    assert request is not None
    assert (caught.value.status, request.method, request.cseq) == (400, "INVITE", CSeq(1, "INVITE"))
    mended = parse(data.replace(b",\r\n<", b",\r\n <"))
    mended.check()
    assert mended.values("Record-Route") == ["<sip:ss2.biloxi.example.com;lr>", "<sip:ss1.atlanta.example.com;lr>"]


# ── RFC 4475: what is valid ──────────────────────────────────────────────────────────────────────────────────────────

VALID = [
    "dblreq", "esc01", "esc02", "escnull", "intmeth", "longreq", "lwsdisp", "mpart01", "noreason", "semiuri",
    "transports", "unreason", "wsinv", "badbranch", "bext01", "cparam01", "cparam02", "invut", "regaut01", "regescrt",
    "sdp01", "unkscm", "unksm2", "novelsc", "zeromf", "bcast", "inv2543", "baddate", "regbadct",
]  # fmt: skip


def torture(name: str) -> Request | Response:
    return parse(read(ROOT / "rfc4475" / f"{name}.dat"))


def tortured_request(name: str) -> Request:
    message = torture(name)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("name", VALID)
def test_valid_ones_survive_printing(name: str) -> None:
    same_again(torture(name))


def test_wsinv() -> None:
    invite = tortured_request("wsinv")
    invite.check()
    assert (invite.method, invite.uri) == ("INVITE", "sip:vivekg@chair-dnrc.example.com;unknownparam")
    assert Uri.parse(invite.uri).parameters == {"unknownparam": None}
    assert invite.address("To") == NameAddr(Uri.parse("sip:vivekg@chair-dnrc.example.com"), "", {"tag": "1918181833n"})
    assert invite.address("From") == NameAddr(
        Uri.parse("sip:jdrosen@example.com"), 'J Rosenberg \\"', {"tag": "98asjd8"}
    )
    assert invite.get("Max-Forwards") == "0068"
    assert invite.cseq == CSeq(9, "INVITE")
    assert [Via.parse(value) for value in invite.values("Via")] == [
        Via("UDP", "192.0.2.2", None, {"branch": "390skdjuw"}),
        Via("TCP", "spindle.example.com", None, {"branch": "z9hG4bK9ikj8"}),
        Via("UDP", "192.168.255.111", None, {"branch": "z9hG4bK30239"}),
    ]
    assert invite.headers["Subject"] == [""]
    assert invite.headers["Newfangledheader"] == ["newfangled value continued newfangled value"]
    assert invite.headers["Unknownheaderwithunusualvalue"] == [";;,,;;,;"]
    assert NameAddr.parse(invite.values("Route")[0]).uri.parameters == {
        "lr": None,
        "unknownwith": "value",
        "unknown-no-value": None,
    }
    assert invite.contact == NameAddr(
        Uri.parse("sip:jdrosen@example.com"),
        'Quoted string ""',
        {"newparam": "newvalue", "secondparam": None, "q": "0.33"},
    )
    assert len(invite.body) == 150


def test_intmeth() -> None:
    request = tortured_request("intmeth")
    request.check()
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    assert (request.method, request.cseq) == (method, CSeq(139122385, method))
    uri = Uri.parse(request.uri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.via == Via("TCP", "host1.example.com", None, {"branch": "z9hG4bK-.!%66*_+`'~"})
    assert request.address("To").display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.address("To").uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    sender = request.address("From")
    assert sender.display_name == "token1~` token2'+_ token3*%!.-"
    assert sender.parameters == {"fromparam''~+*_!.-%": '"работающий"', "tag": "_token~1'+`*%!-."}
    assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert request.headers["Extensionheader-!.%*+_`'~"] == ["\ufeff大停電"]


def test_esc01() -> None:
    invite = tortured_request("esc01")
    invite.check()
    uri = Uri.parse(invite.uri)
    assert (uri.user, uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert invite.address("To").uri.equals(Uri.parse("sip:user@example.com"))
    assert invite.address("From").uri.user == "I%20have%20spaces"
    assert invite.contact is not None
    assert invite.contact.uri.equals(Uri.parse("sip:caller@host5.example.net;lr;name=value%2541"))
    assert invite.contact.uri.parameters == {"lr": None, "name": "v%61lue%25%34%31"}


def test_escnull() -> None:
    request = tortured_request("escnull")
    request.check()
    assert request.address("To").uri.user == "null-%00-null"
    assert [NameAddr.parse(value).uri.user for value in request.values("Contact")] == ["%00", "%00%00"]


def test_esc02() -> None:
    """A % outside URIs escapes nothing: neither the method nor the header names are what they look like."""
    request = tortured_request("esc02")
    request.check()
    assert (request.method, request.cseq.method) == ("RE%47IST%45R", "RE%47IST%45R")
    assert request.address("To").display_name == "%Z%45"
    assert request.via.branch == "z9hG4bK209%fzsnel234"
    assert request.values("Contact") == ["<sip:alias1@host1.example.com>", "<sip:alias3@host3.example.com>"]


def test_lwsdisp() -> None:
    assert tortured_request("lwsdisp").address("From") == NameAddr(
        Uri.parse("sip:caller@example.com"), "caller", {"tag": "323"}
    )


def test_longreq() -> None:
    invite = tortured_request("longreq")
    invite.check()
    vias = [Via.parse(value) for value in invite.values("Via")]
    assert [via.host for via in vias] == [
        *(f"sip{number}.example.com" for number in range(33, 0, -1)),
        "host.example.com",
    ]
    assert vias[-1].branch.startswith("verylonglong")
    assert invite.address("To").uri.port == 6000
    assert len(invite.body) == 150


def test_dblreq() -> None:
    """In a datagram the second request is not seen; on a stream it is the next message."""
    data = read(ROOT / "rfc4475" / "dblreq.dat")
    request = parse(data)
    assert (isinstance(request, Request) and request.method, request.body) == ("REGISTER", b"")
    frames = Framer().feed(data)
    assert next(frames) == data[: data.index(b"\r\n\r\n") + 4]
    invite = parse(next(frames))
    assert isinstance(invite, Request) and invite.method == "INVITE"
    invite.check()
    assert len(invite.body) == 150
    with pytest.raises(SipError):
        next(frames)  # the body is five bytes longer than it says


def test_semiuri() -> None:
    request = tortured_request("semiuri")
    uri = Uri.parse(request.uri)
    assert (uri.user, uri.host, uri.parameters) == ("user;par=u%40example.net", "example.com", {})
    assert request.tokens("Accept") == {
        "application/sdp",
        "application/pkcs7-mime",
        "multipart/mixed",
        "multipart/signed",
        "message/sip",
        "message/sipfrag",
    }


def test_transports() -> None:
    request = tortured_request("transports")
    assert [Via.parse(value).transport for value in request.values("Via")] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01() -> None:
    """The body is binary, with NUL and line ends of every kind."""
    request = tortured_request("mpart01")
    assert (request.content_type, len(request.body)) == ("multipart/mixed", 553)
    assert b"\x00" in request.body or b"\n" in request.body


def test_unreason_and_noreason() -> None:
    unusual, none = torture("unreason"), torture("noreason")
    assert isinstance(unusual, Response) and isinstance(none, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert (none.status, none.reason) == (100, "")


def test_cparam() -> None:
    """An unknown parameter belongs to the Contact without <>, to the URI within them."""
    outside, inside = tortured_request("cparam01").contact, tortured_request("cparam02").contact
    assert outside is not None and inside is not None
    assert (outside.parameters, outside.uri.parameters) == ({"unknownparam": None}, {})
    assert (inside.parameters, inside.uri.parameters) == ({}, {"unknownparam": None})


def test_regescrt() -> None:
    contact = tortured_request("regescrt").contact
    assert contact is not None
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"


# ── RFC 4475: what is answered ───────────────────────────────────────────────────────────────────────────────────────

# Status, and what of the RFC (or of being nobody's registrar and taking no calls) makes it so; None is silence.
ANSWERS: dict[str, int | None] = {
    # 3.1.1: valid; a stranger's OPTIONS is answered, its INVITE refused, other methods are not for us
    "dblreq": 405, "esc01": 403, "esc02": 501, "escnull": 405, "intmeth": 501, "longreq": 403, "lwsdisp": 200,
    "mpart01": 405, "noreason": None, "semiuri": 200, "transports": 200, "unreason": None, "wsinv": 481,
    # 3.1.2: invalid
    "badaspec": 400, "baddate": 403, "baddn": 400, "badinv01": None, "badvers": 505, "bigcode": None, "clerr": 400,
    "escruri": 400, "ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "mismatch01": 400, "mismatch02": 400,
    "ncl": 400, "quotbal": 400, "regbadct": 405, "scalar02": 400, "scalarlg": None, "trws": 400,
    # 3.2, 3.3, 3.4
    "badbranch": 400, "bcast": None, "bext01": 420, "cparam01": 405, "cparam02": 405, "insuf": 400, "invut": 403,
    "mcl01": 400, "multi01": 400, "novelsc": 416, "regaut01": 405, "regescrt": 405, "sdp01": 403, "unkscm": 416,
    "unksm2": 405, "zeromf": 200, "inv2543": 403,
}  # fmt: skip


def test_every_torture_message_is_answered_somehow() -> None:
    read(ROOT / "rfc4475" / "INDEX.tsv")
    assert sorted(ANSWERS) == sorted(path.stem for path in (ROOT / "rfc4475").glob("*.dat"))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    data = read(ROOT / "rfc4475" / f"{name}.dat")
    interface = Interface("UDP", "192.0.2.1", 5060)
    core = B2bua(Interfaces([interface]), Tokens(b"x" * 32), answer_strangers=True)
    flow = Flow(interface, "203.0.113.9", 5060)
    actions = core.receive(data, flow, 0.0)
    expected = ANSWERS[name]
    if expected is None:
        assert actions == []
        assert not core.servers
        return
    assert [type(action) for action in actions] == [Send]
    sent = actions[0]
    assert isinstance(sent, Send)
    response = parse(sent.data)
    assert isinstance(response, Response)
    assert response.status == expected
    # It goes back to whom it came from, over the Via it came with, which says so.
    assert sent.flow.host == "203.0.113.9"
    assert ";received=203.0.113.9" in response.headers["Via"][0]
    try:
        sender = parse(data)
    except MalformedError as error:
        assert error.request is not None
        sender = error.request
    assert len(response.values("Via")) == len(sender.values("Via"))
    for header in ("Call-ID", "CSeq", "From"):
        assert response.headers.get(header, []) == sender.headers.get(header, [])
    if "To" in sender.headers:
        assert re.search(r";\s*tag\s*=", response.headers["To"][0])
    if expected == 420:
        assert response.headers["Unsupported"] == ["nothingSupportsThis, nothingSupportsThisEither"]
    if expected in (405, 501):
        assert response.headers["Allow"] == [ALLOW]
    if name != "insuf":
        response.check() if expected not in (400, 505) else response.required("To")
