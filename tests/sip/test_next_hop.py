"""Which targets a URI stands for, by a zone that is a table (RFC 3263 §4, RFC 2782)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from c2c_b2bua.sip.flow import Hop, Target
from c2c_b2bua.sip.next_hop import MAX_TARGETS, Address, Naptr, Question, Record, Srv, find_targets, in_order
from c2c_b2bua.sip.uri import Uri

ALL = [("UDP", False), ("TCP", False), ("TLS", False)]
BOTH = [*ALL, ("UDP", True), ("TCP", True)]

ZONE: dict[tuple[str, str], list[Record]] = {
    ("carrier.example", "NAPTR"): [
        Naptr(20, 10, "s", "SIP+D2U", "_sip._udp.carrier.example"),
        Naptr(10, 20, "s", "SIP+D2T", "_sip._tcp.carrier.example"),
        Naptr(10, 10, "S", "sips+d2t", "_sips._tcp.carrier.example."),
        Naptr(5, 0, "u", "E2U+sip", "."),
        Naptr(5, 0, "s", "SIP+D2S", "_sip._sctp.carrier.example"),
    ],
    ("_sips._tcp.carrier.example", "SRV"): [Srv(10, 0, 5061, "t1.carrier.example.")],
    ("_sip._tcp.carrier.example", "SRV"): [Srv(10, 0, 5062, "t1.carrier.example")],
    ("_sip._udp.carrier.example", "SRV"): [
        Srv(20, 0, 5060, "u2.carrier.example"),
        Srv(10, 0, 5070, "u1.carrier.example"),
    ],
    ("t1.carrier.example", "A"): [Address("192.0.2.11")],
    ("u1.carrier.example", "A"): [Address("192.0.2.21"), Address("192.0.2.22")],
    ("u1.carrier.example", "AAAA"): [Address("2001:db8::21")],
    ("u2.carrier.example", "A"): [Address("192.0.2.23")],
    ("carrier.example", "A"): [Address("192.0.2.9")],
    ("srv.example", "A"): [Address("192.0.2.9")],
    ("_sip._tcp.srv.example", "SRV"): [Srv(1, 1, 5066, "u2.carrier.example")],
    ("plain.example", "A"): [Address("192.0.2.31")],
    ("plain.example", "AAAA"): [Address("2001:db8::31")],
    ("none.example", "A"): [Address("192.0.2.41")],
    ("_sip._udp.none.example", "SRV"): [Srv(0, 0, 0, ".")],
    ("lost.example", "A"): [Address("192.0.2.42")],
    ("_sip._udp.lost.example", "SRV"): [Srv(0, 0, 5060, "nobody.example")],
    ("sctp.example", "NAPTR"): [Naptr(1, 1, "s", "SIP+D2S", "_sip._sctp.sctp.example")],
    ("sctp.example", "A"): [Address("192.0.2.51")],
    ("many.example", "A"): [Address(f"192.0.2.{number}") for number in range(100)],
}


def find(
    uri: str, kinds: list[tuple[str, bool]] = ALL, draw: Callable[[int], int] = lambda bound: 0
) -> tuple[list[Target], list[str]]:
    """The targets, and what was asked for them."""
    asked: list[str] = []
    search = find_targets(Hop.of(Uri.parse(uri)), kinds, draw)
    try:
        questions: list[Question] = next(search)
        while True:
            asked += [f"{question.name} {question.kind}" for question in questions]
            questions = search.send([ZONE.get((question.name, question.kind), []) for question in questions])
    except StopIteration as end:
        return end.value, asked


def shown(targets: list[Target]) -> list[str]:
    return [f"{target.transport} {target.address} {target.port} {target.name}".rstrip() for target in targets]


TLS = "TLS 192.0.2.11 5061 carrier.example"
UDP1, UDP2, UDP3 = "UDP 192.0.2.21 5070", "UDP 192.0.2.22 5070", "UDP 192.0.2.23 5060"


@pytest.mark.parametrize(
    ("uri", "targets"),
    [
        # NAPTR by order and preference; all that we speak stay as ways to go on.
        ("sip:carrier.example", [TLS, "TCP 192.0.2.11 5062", UDP1, UDP2, UDP3]),
        ("sip:CARRIER.example.", [TLS, "TCP 192.0.2.11 5062", UDP1, UDP2, UDP3]),
        # sips: nothing but TLS, whatever the domain offers.
        ("sips:carrier.example", [TLS]),
        ("sips:carrier.example;transport=tcp", [TLS]),
        # A named transport asks for its SRV, not for NAPTR.
        ("sip:carrier.example;transport=udp", [UDP1, UDP2, UDP3]),
        ("sip:carrier.example;transport=tls", [TLS]),
        # A port: neither; UDP for sip, TLS for sips.
        ("sip:carrier.example:5080", ["UDP 192.0.2.9 5080"]),
        ("sip:carrier.example:5080;transport=tcp", ["TCP 192.0.2.9 5080"]),
        ("sips:carrier.example:5081", ["TLS 192.0.2.9 5081 carrier.example"]),
        # No NAPTR: SRV for each transport; no SRV: addresses and the default port.
        ("sip:srv.example", ["TCP 192.0.2.23 5066"]),
        ("sip:plain.example", ["UDP 192.0.2.31 5060"]),
        ("sip:plain.example;transport=tls", ["TLS 192.0.2.31 5061 plain.example"]),
        # NAPTR only for what we do not speak counts as none.
        ("sip:sctp.example", ["UDP 192.0.2.51 5060"]),
        # "." and servers without address: no service, rather than another one.
        ("sip:none.example", []),
        ("sip:lost.example", []),
        ("sip:unknown.example", []),
        ("sip:unknown.example:5060", []),
        ("sip:x.example;maddr=plain.example", ["UDP 192.0.2.31 5060"]),
        ("sip:plain.example;transport=ws", []),
    ],
)
def test_targets(uri: str, targets: list[str]) -> None:
    assert shown(find(uri)[0]) == targets


def test_both_families() -> None:
    """IPv4 first; a family that no socket of ours has is not even asked for."""
    assert shown(find("sip:plain.example", BOTH)[0]) == ["UDP 192.0.2.31 5060", "UDP 2001:db8::31 5060"]
    assert shown(find("sip:plain.example;transport=tls", BOTH)[0]) == ["TLS 192.0.2.31 5061 plain.example"]
    assert shown(find("sip:plain.example:5060", [("UDP", True)])[0]) == ["UDP 2001:db8::31 5060"]
    assert find("sip:plain.example:5060", [("UDP", True)])[1] == ["plain.example AAAA"]


def test_only_what_we_speak() -> None:
    assert shown(find("sip:carrier.example", [("UDP", False)])[0]) == [UDP1, UDP2, UDP3]
    assert find("sips:carrier.example", [("UDP", False)]) == ([], [])
    assert shown(find("sip:plain.example", [("TCP", False)])[0]) == ["TCP 192.0.2.31 5060"]


def test_what_is_asked() -> None:
    assert find("sip:plain.example")[1] == [
        "plain.example NAPTR",
        "_sip._udp.plain.example SRV",
        "_sip._tcp.plain.example SRV",
        "_sips._tcp.plain.example SRV",
        "plain.example A",
    ]
    assert find("sips:carrier.example")[1] == [
        "carrier.example NAPTR",
        "_sips._tcp.carrier.example SRV",
        "t1.carrier.example A",
    ]


@pytest.mark.parametrize("uri", ["sip:x@df7jal23ls0d.invalid;transport=ws", "sip:a.b.INVALID", "sip:invalid:5060"])
def test_invalid_is_never_asked_for(uri: str) -> None:
    assert find(uri) == ([], [])


def test_no_more_targets_than_anybody_would_try() -> None:
    assert len(find("sip:many.example:5060")[0]) == MAX_TARGETS


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_priorities_before_weights() -> None:
    records = [Srv(2, 1000, 5060, "d"), Srv(1, 1, 5060, "b"), Srv(0, 0, 5060, "a"), Srv(1, 0, 5060, "c")]
    assert [record.target for record in in_order(records, lambda bound: bound - 1)] == ["a", "b", "c", "d"]
    assert [record.target for record in in_order(records, lambda bound: 0)] == ["a", "c", "b", "d"]


def test_a_lot_falls_as_the_weights_say() -> None:
    records = [Srv(1, weight, 5060, name) for name, weight in (("a", 60), ("b", 30), ("c", 10), ("zero", 0))]
    chance = Random(7)
    first = Counter(in_order(records, chance.randrange)[0].target for _ in range(10_000))
    assert 5_700 < first["a"] < 6_300
    assert 2_700 < first["b"] < 3_300
    assert 800 < first["c"] < 1_200
    assert 0 < first["zero"] < 250
    assert sorted(record.target for record in in_order(records, chance.randrange)) == ["a", "b", "c", "zero"]
