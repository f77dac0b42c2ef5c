"""A carrier of two Kamailios, found by DNS: what one does not take the other does, and each keeps its own nonces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Command, c2c
from tests.dns import NameServer
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Record, Server
from tests.sipp.stage import CUSTOMER, leg

from .kamailio import Carrier, Kamailio
from .kamailio import full as full_carrier
from .test_kamailio import registered, trunk

SECRET = "carrier-secret"
ALL = {"INVITE": 2, "ACK": 1, "BYE": 1}
"""What a host that challenges sees of a call; the ACK of what it refused itself does not get as far as its script."""


def phone(port: int, *more: str) -> Command:
    return c2c("phone", "--listen", f"udp:{LOOPBACK}:{port}", *more)


def records(*hosts: tuple[Kamailio, int], transport: str = "udp") -> list[str]:
    """`carrier.example`, with these hosts of these priorities."""
    return [
        f"naptr-record=carrier.example,10,10,s,SIP+D2{transport[0].upper()},,_sip._{transport}.carrier.example",
        *(
            f"srv-host=_sip._{transport}.carrier.example,h{number}.carrier.example,{host.port},{priority},10"
            for number, (host, priority) in enumerate(hosts)
        ),
        *(f"host-record=h{number}.carrier.example,{LOOPBACK},60" for number in range(len(hosts))),
    ]


async def called(server: Server, document: str) -> Record:
    """The record of a call to the customer, when it is over."""
    return await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])


def counted(host: Kamailio) -> dict[str, int]:
    return {method: len(host.seen(method)) for method in ALL}


async def test_the_next_host_takes_what_the_first_refuses(tmp_path: Path) -> None:
    """With a challenge, and with Record-Route: all that follows is for the host that took the call."""
    a_port, b_port = free_port(), free_port()
    async with (
        full_carrier(tmp_path / "full") as full,
        Carrier(tmp_path / "free", f"{LOOPBACK}:{b_port}", SECRET) as free,
        NameServer(*records((full, 10), (free, 20))) as dns,
        phone(a_port) as a,
        phone(b_port, "--hangup-after", "0.5") as b,
    ):
        for one in (a, b):
            await one.says("^ready ")
        sip = {"nameservers": [dns.address]}
        phone_a = f"sip:phone@{LOOPBACK}:{a_port}"
        async with registered(tmp_path, free, phone_a, sip, proxy="sip:carrier.example") as server:
            await trunk(server, "registered")
            record = await called(server, await server.create("2001"))
            await server.nothing_lives()
        assert (record["result"], record["ended_by"], leg(record, "b")["sip_code"]) == ("success", "b", 200)
        assert "attempts" not in record, "one trunk, though two hosts"
        # The REGISTER found out that the first has no line; it rests for a while.
        assert len(full.seen("REGISTER")) == 1
        assert counted(full) == {"INVITE": 0, "ACK": 0, "BYE": 0}
        assert counted(free) == ALL
        assert "SRV _sip._udp.carrier.example" in dns.asked()


async def test_a_call_leaves_a_host_that_has_no_line(tmp_path: Path) -> None:
    """Without a registration the INVITE is what meets the 503."""
    a_port, b_port = free_port(), free_port()
    async with (
        full_carrier(tmp_path / "full") as full,
        Carrier(tmp_path / "free", f"{LOOPBACK}:{b_port}", SECRET) as free,
        NameServer(*records((full, 10), (free, 20))) as dns,
        phone(a_port, "--hangup-after", "0.5") as a,
        phone(b_port) as b,
    ):
        for one in (a, b):
            await one.says("^ready ")
        sip = {"nameservers": [dns.address]}
        phone_a = f"sip:phone@{LOOPBACK}:{a_port}"
        async with registered(tmp_path, free, phone_a, sip, proxy="sip:carrier.example", register=False) as server:
            document = await server.create("2001")
            found = [await called(server, document) for _ in range(2)]
            await server.nothing_lives()
        for record in found:
            assert (record["result"], record["ended_by"], leg(record, "b")["sip_code"]) == ("success", "a", 200)
        # The second call goes where the first went.
        assert counted(full) == {"INVITE": 1, "ACK": 0, "BYE": 0}
        assert counted(free) == {method: 2 * times for method, times in ALL.items()}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_host_that_goes_away(tmp_path: Path, transport: str) -> None:
    """Registered with it and called by it once; then it is switched off, and the call takes the other."""
    a_port, b_port = free_port(), free_port()
    first = Carrier(tmp_path / "first", f"{LOOPBACK}:{b_port}", SECRET)
    second = Carrier(tmp_path / "second", f"{LOOPBACK}:{b_port}", SECRET)
    async with (
        second,
        NameServer(*records((first, 10), (second, 20), transport=transport)) as dns,
        phone(a_port) as a,
        phone(b_port, "--hangup-after", "0.5") as b,
    ):
        for one in (a, b):
            await one.says("^ready ")
        sip = {"nameservers": [dns.address]}
        phone_a = f"sip:phone@{LOOPBACK}:{a_port}"
        async with registered(tmp_path, first, phone_a, sip, proxy="sip:carrier.example", register=False) as server:
            document = await server.create("2001")
            async with first:
                before = await called(server, document)
                # The BYE of the called party has gone through; nobody waits for this host any more.
                await server.nothing_lives()
            after = await called(server, document)
            await server.nothing_lives()
    for record in (before, after):
        assert (record["result"], record["ended_by"], leg(record, "b")["sip_code"]) == ("success", "b", 200)
    assert counted(first) == counted(second) == ALL
    # Not until it rings: Kamailio's processes may hand on the 200 before the 180.
    waited = (leg(after, "b")["answered_at"] - leg(after, "b")["invited_at"]).total_seconds()
    assert waited < 2.0, "the network says so, over UDP too"


async def test_credentials_go_where_the_nonce_came_from(tmp_path: Path) -> None:
    """Two hosts of the same priority share the calls by lot; neither knows a nonce of the other."""
    a_port, b_port = free_port(), free_port()
    async with (
        Carrier(tmp_path / "one", f"{LOOPBACK}:{b_port}", SECRET) as one,
        Carrier(tmp_path / "two", f"{LOOPBACK}:{b_port}", SECRET) as two,
        NameServer(*records((one, 10), (two, 10))) as dns,
        phone(a_port) as a,
        phone(b_port, "--hangup-after", "0.3") as b,
    ):
        for ready in (a, b):
            await ready.says("^ready ")
        sip = {"nameservers": [dns.address]}
        phone_a = f"sip:phone@{LOOPBACK}:{a_port}"
        async with registered(tmp_path, one, phone_a, sip, proxy="sip:carrier.example") as server:
            await trunk(server, "registered")
            document = await server.create("2001")
            calls = 0
            while calls < 20 and not (one.seen("INVITE") and two.seen("INVITE")):
                calls += 1
                record = await called(server, document)
                assert (record["result"], leg(record, "b")["sip_code"]) == ("success", 200)
            await server.nothing_lives()
    for host in (one, two):
        share = len(host.seen("BYE"))
        assert share
        assert counted(host) == {method: share * times for method, times in ALL.items()}
    assert len(one.seen("BYE")) + len(two.seen("BYE")) == calls
