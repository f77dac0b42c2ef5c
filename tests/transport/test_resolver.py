"""The resolver against a real nameserver: NAPTR, SRV, addresses, what is remembered, and what is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from c2c_b2bua.sip.flow import Hop, Target
from c2c_b2bua.sip.next_hop import Question
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transport.resolver import NEGATIVE, Resolver
from tests.dns import NameServer
from tests.transport.peers import UdpPeer

KINDS = [("UDP", False), ("TCP", False), ("TLS", False), ("UDP", True)]
RECORDS = (
    "naptr-record=carrier.example,10,10,s,SIPS+D2T,,_sips._tcp.carrier.example",
    "naptr-record=carrier.example,20,10,s,SIP+D2U,,_sip._udp.carrier.example",
    "srv-host=_sips._tcp.carrier.example,one.carrier.example,5071,10,0",
    "srv-host=_sip._udp.carrier.example,two.carrier.example,5060,20,0",
    "srv-host=_sip._udp.carrier.example,one.carrier.example,5070,10,0",
    "host-record=one.carrier.example,192.0.2.11,2001:db8::11,60",
    "host-record=two.carrier.example,192.0.2.12,60",
    "host-record=short.example,192.0.2.13,1",
    "cname=alias.example,short.example",
    "local-ttl=60",
)


def hop(uri: str) -> Hop:
    return Hop.of(Uri.parse(uri))


async def test_naptr_srv_and_addresses() -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address])
        carrier = hop("sip:+4930@carrier.example")
        assert resolver.recall(carrier, KINDS) is None
        targets = await resolver.targets(carrier, KINDS)
        assert targets == [
            Target("TLS", "192.0.2.11", 5071, "carrier.example"),
            Target("UDP", "192.0.2.11", 5070),
            Target("UDP", "2001:db8::11", 5070),
            Target("UDP", "192.0.2.12", 5060),
        ]
        asked = len(dns.asked())
        assert resolver.recall(carrier, KINDS) == targets
        assert await resolver.targets(carrier, KINDS) == targets
        assert len(dns.asked()) == asked


async def test_a_name_and_a_port() -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address])
        assert await resolver.targets(hop("sip:two.carrier.example:5099"), KINDS) == [Target("UDP", "192.0.2.12", 5099)]
        assert sorted(dns.asked()) == ["A two.carrier.example", "AAAA two.carrier.example"]


async def test_many_who_ask_at_once_share_the_question() -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address])
        asked = [resolver.targets(hop("sip:two.carrier.example:5060"), [("UDP", False)]) for _ in range(20)]
        assert await asyncio.gather(*asked) == [[Target("UDP", "192.0.2.12", 5060)]] * 20
        assert dns.asked() == ["A two.carrier.example"]


@pytest.mark.parametrize(("name", "seconds"), [("short.example", 1), ("alias.example", 1), ("two.carrier.example", 60)])
async def test_an_answer_is_remembered_as_long_as_it_says(name: str, seconds: float) -> None:
    async with NameServer(*RECORDS) as dns:
        answer, remembered = await Resolver([dns.address]).query(Question(name, "A"))
        assert len(answer) == 1
        assert remembered == seconds


async def test_what_is_not_there_is_remembered_briefly() -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address])
        nobody = hop("sip:nobody.example:5060")
        assert await resolver.targets(nobody, [("UDP", False)]) == []
        assert resolver.recall(nobody, [("UDP", False)]) == []
        assert await resolver.query(Question("nobody.example", "A")) == ((), NEGATIVE)
        # The name is there, but no such record.
        answer, seconds = await resolver.query(Question("two.carrier.example", "AAAA"))
        assert not answer
        assert seconds <= NEGATIVE


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nameserver that is silent, and one that is not there: no address, and no exception."""
    monkeypatch.setattr("c2c_b2bua.transport.resolver.TRY", 0.2)
    monkeypatch.setattr("c2c_b2bua.transport.resolver.LIFETIME", 0.4)
    async with UdpPeer.open() as silent:
        resolver = Resolver([f"127.0.0.1:{silent.port}"])
        assert await resolver.targets(hop("sip:carrier.example:5060"), [("UDP", False)]) == []
        # Not asked again at once.
        assert resolver.recall(hop("sip:carrier.example:5060"), [("UDP", False)]) == []
    assert await Resolver([f"127.0.0.1:{silent.port}"]).targets(hop("sip:carrier.example"), KINDS) == []


async def test_names_that_dns_cannot_even_be_asked_for() -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address])
        for name in ("a" * 64 + ".example", ".".join(["a" * 60] * 5), "x.invalid", "a..example"):
            assert await resolver.targets(Hop(name, 5060, None), KINDS) == []
        assert dns.asked() == []


async def test_the_hosts_file_goes_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.5 desk desk.example # mine\n2001:db8::5\tDESK\n\nfe80::1%eth0 link\n# 10.0.0.1 no\n")
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address], hosts=hosts)
        assert await resolver.targets(hop("sip:desk:5060"), KINDS) == [
            Target("UDP", "127.0.0.5", 5060),
            Target("UDP", "2001:db8::5", 5060),
        ]
        assert await resolver.targets(hop("sip:desk.example:5060"), [("UDP", False)]) == [
            Target("UDP", "127.0.0.5", 5060)
        ]
        assert dns.asked() == []
        assert await resolver.targets(hop("sip:localhost:5060"), [("UDP", False)]) == [Target("UDP", "127.0.0.1", 5060)]


async def test_without_a_hosts_file(tmp_path: Path) -> None:
    async with NameServer(*RECORDS) as dns:
        resolver = Resolver([dns.address], hosts=tmp_path / "none")
        assert await resolver.targets(hop("sip:two.carrier.example:1"), KINDS) == [Target("UDP", "192.0.2.12", 1)]
