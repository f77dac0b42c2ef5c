"""docs/torture.md is true: each message of its tables is read and answered as it says there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.fields import NameAddr, Via
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import MalformedError, parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Send
from tests.corpora import ROOT, read

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "torture.md").read_text(encoding="utf-8")
LINE = re.compile(r"^\| `([\w-]+)` \| ([\d.]+) \| (.+?) \| (.+?) \| (yes|no) \| (?:`(.+)`|dropped) \|$", re.M)
CODE = re.compile(r"\b[1-6]\d\d\b")
DROPPED = ""


class Row(NamedTuple):
    """A line of a table; `answered` is empty where nothing goes back."""

    name: str
    section: str
    what: str
    wants: str
    read: str
    answered: str


def rows(title: str) -> list[Row]:
    text = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = [Row(*groups) for groups in LINE.findall(text)]
    assert len(found) == sum(line.startswith("| `") for line in text.splitlines()), "a line that is not read"
    return found


RFC_4475 = rows("RFC 4475")
RFC_5118 = rows("RFC 5118")


def ipv6(
    start: str, *, via: str = "UDP [2001:db8::99:1]", more_vias: tuple[str, ...] = (), host: str = "[2001:db8::99]",
    body: str = "",
) -> bytes:  # fmt: skip
    """A request that has IPv6 addresses in it."""
    method = start.partition(" ")[0]
    lines = [
        f"{start} SIP/2.0",
        f"Via: SIP/2.0/{via};branch=z9hG4bKv6-1",
        *(f"Via: SIP/2.0/{one};branch=z9hG4bKv6-{number}" for number, one in enumerate(more_vias, 2)),
        "Max-Forwards: 70",
        "From: <sip:anna@example.com>;tag=v6",
        "To: <sip:bert@example.com>",
        f"Contact: <sip:anna@{host}>",
        f"Call-ID: {method.lower()}-v6",
        f"CSeq: 1 {method}",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", body]).encode()


def sdp(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


MESSAGES = {
    "ipv6-good": ipv6("REGISTER sip:[2001:db8::20]"),
    "ipv6-bad": ipv6("REGISTER sip:2001:db8::20"),
    "port-ambiguous": ipv6("REGISTER sip:[2001:db8::20:5070]"),
    "port-unambiguous": ipv6("REGISTER sip:[2001:db8::20]:5070"),
    "via-received-param-with-delim": ipv6("OPTIONS sip:[2001:db8::20]", via="UDP [2001:db8::99:1];received=[2001:db8::7]"),
    "via-received-param-no-delim": ipv6("OPTIONS sip:[2001:db8::20]", via="UDP [2001:db8::99:1];received=2001:db8::7"),
    "ipv6-in-sdp": ipv6(
        "INVITE sip:bert@[2001:db8::20]",
        body=sdp("v=0", "o=anna 1 1 IN IP6 2001:db8::99", "s=-", "c=IN IP6 2001:db8::99", "t=0 0", "m=audio 4000 RTP/AVP 0"),
    ),
    "mult-ip-in-header": ipv6(
        "BYE sip:bert@example.com",
        via="UDP [2001:db8::99:1]:6060",
        more_vias=("UDP 192.0.2.1;received=192.0.2.7", "TCP [2001:db8::99:2]:5070;received=2001:db8::7"),
    ),
    "mult-ip-in-sdp": ipv6(
        "INVITE sip:bert@[2001:db8::20]",
        body=sdp(
            *("v=0", "o=anna 1 1 IN IP6 2001:db8::99", "s=-", "t=0 0"),
            *("m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.9", "m=video 4002 RTP/AVP 31", "c=IN IP6 2001:db8::99"),
        ),
    ),
    "ipv4-mapped-ipv6": ipv6(
        "INVITE sip:bert@example.com",
        via="UDP [::ffff:192.0.2.9]:6060",
        more_vias=("UDP [::ffff:192.0.2.10]",),
        host="[::ffff:192.0.2.9]",
        body=sdp("v=0", "o=a 1 1 IN IP6 ::ffff:192.0.2.9", "s=-", "c=IN IP6 ::ffff:192.0.2.9", "t=0 0", "m=audio 4 RTP/AVP 0"),
    ),
    "ipv6-bug-abnf-3-colons": ipv6("OPTIONS sip:bert@[2001:db8:::192.0.2.9]"),
    "ipv6-correct-abnf-2-colons": ipv6("OPTIONS sip:bert@[2001:db8::192.0.2.9]"),
}  # fmt: skip


def message_of(row: Row) -> bytes:
    return MESSAGES[row.name] if row in RFC_5118 else read(ROOT / "rfc4475" / f"{row.name}.dat")


def is_read(data: bytes) -> str:
    """`yes` if printing loses nothing."""
    try:
        first = parse(data)
        second = parse(bytes(first))
    except MalformedError:
        return "no"
    assert (type(second), second.headers, second.body) == (type(first), first.headers, first.body)
    assert bytes(second) == bytes(first)
    return "yes"


def answer_to(data: bytes, answer_strangers: bool) -> str:
    interface = Interface("UDP", "192.0.2.1", 5060)
    core = B2bua(Interfaces([interface]), Tokens(b"x" * 32), answer_strangers=answer_strangers)
    actions = core.receive(data, Flow(interface, "203.0.113.9", 5060), 0.0)
    if not actions:
        return DROPPED
    (sent,) = actions
    assert isinstance(sent, Send)
    response = parse(sent.data)
    assert isinstance(response, Response)
    return response.start_line().removeprefix("SIP/2.0 ")


@pytest.mark.parametrize("row", [*RFC_4475, *RFC_5118], ids=lambda row: row.name)
def test_a_row(row: Row) -> None:
    data = message_of(row)
    assert (row.read, row.answered) == (is_read(data), answer_to(data, answer_strangers=True))
    assert answer_to(data, answer_strangers=False) == DROPPED


def test_every_message_is_in_the_table_under_its_section() -> None:
    index = read(ROOT / "rfc4475" / "INDEX.tsv").decode().splitlines()[1:]
    sections = {line.split(".dat\t")[0]: line.split("\t")[1].split()[0] for line in index}
    assert sorted(sections) == sorted(path.stem for path in (ROOT / "rfc4475").glob("*.dat"))
    assert sorted(row.name for row in RFC_4475) == sorted(sections)
    assert [row.name for row in RFC_4475 if not row.section.startswith(f"{sections[row.name]}.")] == []
    assert [row.name for row in RFC_5118] == list(MESSAGES)


def agrees(row: Row) -> bool:
    """What we do is among what the RFC wants."""
    wants = row.wants.partition(":")[0]
    if wants == "valid":
        return row.read == "yes" and not row.answered.startswith("400")
    if wants == "dropped":
        return row.answered == DROPPED
    return row.answered[:3] in CODE.findall(wants) or (wants.endswith("or taken") and row.read == "yes")


def test_whatever_differs_is_owned_up_to() -> None:
    differences = GUIDE.partition("\n## Otherwise than the RFC\n")[2]
    assert re.findall(r"^- `([\w-]+)`:", differences, re.M) == [row.name for row in RFC_4475 if not agrees(row)]
    assert [row.name for row in RFC_5118 if not agrees(row)] == []


def test_baddn_is_refused_for_its_name_too() -> None:
    data = read(ROOT / "rfc4475" / "baddn.dat")
    assert not data.endswith(b"\r\n\r\n")
    assert "needs quotes" in answer_to(data + b"\r\n", answer_strangers=True)


# ── what is read in the messages of RFC 5118 ─────────────────────────────────────────────────────────────────────────


def test_addresses_of_ipv6() -> None:
    def uri(name: str) -> Uri:
        request = parse(MESSAGES[name])
        assert isinstance(request, Request)
        return Uri.parse(request.uri)

    assert (uri("ipv6-good").host, uri("ipv6-good").port) == ("[2001:db8::20]", None)
    assert (uri("port-ambiguous").host, uri("port-ambiguous").port) == ("[2001:db8::20:5070]", None)
    assert (uri("port-unambiguous").host, uri("port-unambiguous").port) == ("[2001:db8::20]", 5070)
    assert uri("ipv6-correct-abnf-2-colons").host == "[2001:db8::192.0.2.9]"
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert str(parse(MESSAGES[name]).via.parameters["received"]).strip("[]") == "2001:db8::7"
    vias = [Via.parse(value) for value in parse(MESSAGES["mult-ip-in-header"]).values("Via")]
    assert [(via.host, via.port) for via in vias] == [
        ("[2001:db8::99:1]", 6060), ("192.0.2.1", None), ("[2001:db8::99:2]", 5070),
    ]  # fmt: skip
    mapped = parse(MESSAGES["ipv4-mapped-ipv6"])
    assert (mapped.via.host, mapped.via.port) == ("[::ffff:192.0.2.9]", 6060)
    assert NameAddr.parse(mapped.values("Contact")[0]).uri.host == "[::ffff:192.0.2.9]"


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("ipv6-in-sdp", ["2001:db8::99"]),
        ("mult-ip-in-sdp", ["192.0.2.9", "2001:db8::99"]),
        ("ipv4-mapped-ipv6", ["::ffff:192.0.2.9"]),
    ],
)
def test_descriptions_of_ipv6(name: str, addresses: list[str]) -> None:
    found = SessionDescription.parse(parse(MESSAGES[name]).body)
    assert [found.address_of(media) for media in found.media] == addresses
