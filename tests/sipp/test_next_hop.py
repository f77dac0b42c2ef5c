"""A carrier of several hosts, found by DNS: what one does not take, the next one does (RFC 3263 §4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dns import NameServer

from .ports import LOOPBACK, free_port
from .server import Server
from .sipp import Sipp
from .stage import CUSTOMER, leg


def records(first: int, second: int) -> tuple[str, ...]:
    """`carrier.example`: two hosts over UDP, the second for when the first fails."""
    return (
        "naptr-record=carrier.example,10,10,s,SIP+D2U,,_sip._udp.carrier.example",
        f"srv-host=_sip._udp.carrier.example,one.carrier.example,{first},10,10",
        f"srv-host=_sip._udp.carrier.example,two.carrier.example,{second},20,10",
        f"host-record=one.carrier.example,{LOOPBACK},60",
        f"host-record=two.carrier.example,{LOOPBACK},60",
    )


@pytest.mark.parametrize(("failing", "seconds"), [("trunk_unavailable", 0.0), ("trunk_silent", 4.0)])
async def test_the_next_host_takes_the_call(tmp_path: Path, failing: str, seconds: float) -> None:
    """It challenges, too: the credentials go to the host that gave the nonce. The second call goes there at once."""
    async with (
        Sipp("a_hangs_up", tmp_path / "a", calls=2) as a,
        Sipp(failing, tmp_path / "failing") as first,
        Sipp("trunk_challenges", tmp_path / "good", calls=2) as second,
        NameServer(*records(first.port, second.port)) as dns,
        Server(
            tmp_path / "server",
            {"2001": a.uri},
            "sip:carrier.example",
            {"ring_timeout": 15.0},
            {"nameservers": [dns.address]},
        ) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, CUSTOMER))["call_id"]
        record = await server.ended(document, call_id)
        await first.passed()
        again = (await server.connect(document, CUSTOMER))["call_id"]
        once_more = await server.ended(document, again)
        await a.passed()
        await second.passed()
        await server.nothing_lives()
    for found in (record, once_more):
        assert (found["result"], found["ended_by"]) == ("success", "a")
        assert leg(found, "b")["sip_code"] == 200
    ringing = [(leg(found, "b")["ringing_at"] - leg(found, "b")["invited_at"]) for found in (record, once_more)]
    assert seconds <= ringing[0].total_seconds() < seconds + 2
    assert ringing[1].total_seconds() < 2
    invites = [message for message in first.messages() if message.first_line.startswith("INVITE")]
    assert len({message.header("Via") for message in invites}) == 1
    branches = [m.header("Via") for m in second.messages() if m.first_line.startswith("INVITE")]
    assert len(set(branches)) == 4


async def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    """TCP: the refused connection is noticed at once."""
    async with (
        Sipp("a_hangs_up", tmp_path / "a") as a,
        Sipp("trunk_challenges", tmp_path / "good", transport="tcp") as good,
        NameServer(
            *(record.replace("udp", "tcp").replace("D2U", "D2T") for record in records(free_port(), good.port))
        ) as dns,
        Server(
            tmp_path / "server", {"2001": a.uri}, "sip:carrier.example", sip={"nameservers": [dns.address]}
        ) as server,
    ):
        document = await server.create("2001")
        record = await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])
        await a.passed()
        await good.passed()
    assert (record["result"], record["ended_by"]) == ("success", "a")
    found = leg(record, "b")
    assert (found["ringing_at"] - found["invited_at"]).total_seconds() < 2


async def test_a_domain_that_is_not_there(tmp_path: Path) -> None:
    async with (
        Sipp("a_is_released", tmp_path / "a") as a,
        NameServer() as dns,
        Server(
            tmp_path / "server", {"2001": a.uri}, "sip:nobody.example", sip={"nameservers": [dns.address]}
        ) as server,
    ):
        document = await server.create("2001")
        record = await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])
        await a.passed()
    found = leg(record, "b")
    assert (found["sip_code"], found["reason"]) == (503, "no address for nobody.example")
