"""Where messages go (RFC 3261 §18, RFC 3263 §4)."""

from __future__ import annotations

import msgspec
import pytest

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Hop, Interface, Interfaces, Target, way_past_nat
from c2c_b2bua.sip.uri import Uri

UDP = Interface("UDP", "192.0.2.1", 5060, 0)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
UDP6 = Interface("UDP", "2001:db8::1", 5060, 2)
TLS6 = Interface("TLS", "2001:db8::1", 5061, 3)
ALL = Interfaces([UDP, TCP, UDP6, TLS6])


@pytest.mark.parametrize(
    ("uri", "hop", "address"),
    [
        ("sip:bob@192.0.2.9", Hop("192.0.2.9", None, None), "192.0.2.9"),
        ("sip:bob@192.0.2.9:5070;transport=TCP", Hop("192.0.2.9", 5070, "TCP"), "192.0.2.9"),
        ("sip:[2001:DB8:0::9]", Hop("[2001:db8:0::9]", None, None), "2001:db8::9"),
        ("sip:proxy.example.com;transport=udp", Hop("proxy.example.com", None, "UDP"), None),
        ("sips:bob@example.com", Hop("example.com", None, None, is_secure=True), None),
        ("sips:bob@example.com;transport=tcp", Hop("example.com", None, "TLS", is_secure=True), None),
        ("sip:bob@example.com;maddr=192.0.2.9", Hop("192.0.2.9", None, None), "192.0.2.9"),
        ("sip:host1", Hop("host1", None, None), None),
        ("sip:1.2.3", Hop("1.2.3", None, None), None),
        ("sip:[::::]", Hop("[::::]", None, None), None),
    ],
)
def test_hop(uri: str, hop: Hop, address: str | None) -> None:
    assert Hop.of(Uri.parse(uri)) == msgspec.structs.replace(hop, address=address)


@pytest.mark.parametrize(
    ("uri", "status"),
    [("tel:+1415", 416), ("sip:a@b;transport=sctp", 503), ("sips:a@b;transport=udp", 503), ("nonsense", 400)],
)
def test_hops_we_cannot_go(uri: str, status: int) -> None:
    with pytest.raises(SipError) as caught:
        Hop.of(Uri.parse(uri))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("address", "hop", "flow"),
    [
        ("192.0.2.9", Hop("x", None, None), Flow(UDP, "192.0.2.9", 5060)),
        ("192.0.2.9", Hop("x", 5099, "TCP"), Flow(TCP, "192.0.2.9", 5099)),
        ("2001:db8::9", Hop("x", None, None), Flow(UDP6, "2001:db8::9", 5060)),
        ("2001:db8::9", Hop("x", None, "TLS"), Flow(TLS6, "2001:db8::9", 5061, 0, "x")),
        (
            "2001:db8::9",
            Hop("[2001:db8::9]", None, None, is_secure=True),
            Flow(TLS6, "2001:db8::9", 5061, 0, "2001:db8::9"),
        ),
    ],
)
def test_the_interface_of_the_family_and_transport(address: str, hop: Hop, flow: Flow) -> None:
    assert ALL.flow_to(address, hop) == flow


def test_without_udp_the_first_stream_is_taken() -> None:
    assert Interfaces([TCP]).flow_to("192.0.2.9", Hop("x", None, None)) == Flow(TCP, "192.0.2.9", 5060)
    assert Interfaces([TLS6]).flow_to("2001:db8::9", Hop("x", None, None)) == Flow(TLS6, "2001:db8::9", 5061, 0, "x")


@pytest.mark.parametrize(
    ("hop", "address"),
    [(Hop("x", None, "WS"), "192.0.2.9"), (Hop("x", None, "TCP"), "2001:db8::9"), (Hop("x", None, "TLS"), "192.0.2.9")],
)
def test_no_socket_of_that_kind(hop: Hop, address: str) -> None:
    with pytest.raises(SipError) as caught:
        ALL.flow_to(address, hop)
    assert caught.value.status == 503
    assert str(hop.transport) in caught.value.reason and address in caught.value.reason


def test_the_targets_that_our_sockets_reach() -> None:
    targets = [
        Target("TLS", "2001:db8::9", 5099, "x"),
        Target("TLS", "192.0.2.9", 5061, "x"),
        Target("UDP", "192.0.2.9", 5060),
    ]
    assert ALL.flows_to(targets) == [Flow(TLS6, "2001:db8::9", 5099, 0, "x"), Flow(UDP, "192.0.2.9", 5060)]


def test_our_own_address_by_family() -> None:
    assert ALL.address_for(Hop.of(Uri.parse("sip:192.0.2.9"))) == "192.0.2.1"
    assert ALL.address_for(Hop.of(Uri.parse("sip:[2001:db8::9]"))) == "2001:db8::1"
    assert ALL.address_for(Hop.of(Uri.parse("sip:name.example"))) == "192.0.2.1"
    assert Interfaces([UDP]).address_for(Hop.of(Uri.parse("sip:[2001:db8::9]"))) == "192.0.2.1"


def test_the_same_peer_over_tcp() -> None:
    assert ALL.over("TCP", Flow(UDP, "192.0.2.9", 5070)) == Flow(TCP, "192.0.2.9", 5070)
    assert ALL.over("TCP", Flow(UDP6, "2001:db8::9", 5070)) is None


def test_contacts() -> None:
    assert UDP.contact == "<sip:c2c@192.0.2.1:5060>"
    assert TCP.contact == "<sip:c2c@192.0.2.1:5060;transport=tcp>"
    assert UDP6.contact == "<sip:c2c@[2001:db8::1]:5060>"


def test_what_is_reliable() -> None:
    assert [Flow(part, "x", 1).is_reliable for part in (UDP, TCP, UDP6, TLS6)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("contact", "source", "past"),
    [
        ("10.0.0.7", "203.0.113.5", True),
        ("172.31.0.7", "203.0.113.5", True),
        ("192.168.1.7", "2001:db8::5", True),
        ("100.64.0.7", "203.0.113.5", True),
        ("169.254.1.1", "203.0.113.5", True),
        ("127.0.0.1", "203.0.113.5", True),
        ("[fd00::7]", "2001:db8::5", True),
        ("203.0.113.6", "203.0.113.5", False),
        ("172.32.0.7", "203.0.113.5", False),
        ("phone.example.com", "203.0.113.5", False),
        ("10.0.0.7", "10.0.0.1", False),
        ("10.0.0.7", "192.168.1.1", False),
        ("192.168.1.7", "127.0.0.1", False),
    ],
)
def test_the_way_past_a_nat(contact: str, source: str, past: bool) -> None:
    seen = Flow(Interface("UDP", "192.0.2.1", 5060), source, 40000)
    assert way_past_nat(contact, seen) == (seen if past else None)
    assert way_past_nat(contact, None) is None
