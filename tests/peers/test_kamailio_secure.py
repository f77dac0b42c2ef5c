"""Kamailio over TLS, as a carrier and as a registrar, and between us and a browser that is at it over WebSocket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.command import c2c
from tests.dns import NameServer
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.sipp import Sipp
from tests.sipp.stage import CUSTOMER, leg, legs

from .baresip import Baresip
from .jssip.phone import JsSip
from .kamailio import Carrier, Kamailio, Secure
from .kamailio_registrar import Registrar
from .test_kamailio import registered, trunk, until, with_tls
from .test_kamailio_registrar import routed

SECRET = "carrier-secret"


def secure(authority: Authority, *names: str, asks_for_one: bool = False) -> Secure:
    return Secure(*authority.certificate(*names, file="kamailio"), authority.ca, asks_for_one)


def records(host: Kamailio) -> list[str]:
    """`carrier.example`, which is reached over TLS alone."""
    return [
        "naptr-record=carrier.example,10,10,s,SIPS+D2T,,_sips._tcp.carrier.example",
        f"srv-host=_sips._tcp.carrier.example,h.carrier.example,{host.tls_port},10,10",
        f"host-record=h.carrier.example,{LOOPBACK},60",
    ]


def over(kamailio: Kamailio, method: str) -> list[str]:
    """By which transport requests of this method came."""
    return [line.partition("over=")[2].partition(" ")[0] for line in kamailio.seen(method)]


@pytest.mark.parametrize("leaver", ["a", "b"])
async def test_a_carrier_over_tls(tmp_path: Path, leaver: str) -> None:
    """Each shows the other a certificate; the carrier's names its domain, whatever host DNS leads to (RFC 5922 §7.2).

    What the called party asks comes over a connection that the carrier opens to us.
    """
    authority = Authority(tmp_path)
    a_port, b_port = free_port(), free_port()
    hangs_up = {leaver: ("--hangup-after", "0.5")}
    async with (
        Carrier(
            *(tmp_path / "kamailio", f"{LOOPBACK}:{b_port}", SECRET),
            secure=secure(authority, "carrier.example", asks_for_one=True),
        ) as kamailio,
        NameServer(*records(kamailio)) as dns,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{a_port}", *hangs_up.get("a", ())) as a,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{b_port}", *hangs_up.get("b", ())) as b,
    ):
        for one in (a, b):
            await one.says("^ready ")
        phone, sip = f"sip:phone@{LOOPBACK}:{a_port}", {"nameservers": [dns.address]}
        async with registered(
            *(tmp_path, kamailio, phone, sip, authority), proxy="sip:carrier.example;transport=tls"
        ) as server:
            await trunk(server, "registered")
            document = await server.create("2001")
            record = await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], leg(record, "b")["sip_code"]) == ("success", leaver, 200)
    assert over(kamailio, "REGISTER") == ["tls"] * 3
    assert over(kamailio, "INVITE") == ["tls"] * 2
    assert over(kamailio, "ACK") == ["tls"]
    assert over(kamailio, "BYE") == ["tls" if leaver == "a" else "udp"]
    assert routed(kamailio, "BYE")


async def test_a_carrier_with_the_certificate_of_another(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        Carrier(
            tmp_path / "kamailio", f"{LOOPBACK}:9", SECRET, secure=secure(authority, "another.example")
        ) as kamailio,
        NameServer(*records(kamailio)) as dns,
        registered(
            *(tmp_path, kamailio, "sip:x@127.0.0.1:9", {"nameservers": [dns.address]}, authority),
            proxy="sips:carrier.example",
        ) as server,
    ):
        async with asyncio.timeout(10):
            while "certificate is not valid for 'carrier.example'" not in server.output():  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.02)
        found = await trunk(server, "not registered")
        assert found["reason"].startswith("REGISTER: 503")
    assert kamailio.seen("REGISTER") == []


async def test_two_phones_that_are_at_it_hear_each_other(tmp_path: Path) -> None:
    """We speak TLS with the registrar, its phones UDP and TCP: two Record-Routes at each crossing."""
    authority = Authority(tmp_path)
    async with Registrar(tmp_path / "kamailio", SECRET, secure(authority, LOOPBACK)) as kamailio:
        extensions = {f"200{n}": f"sip:100{n}@{LOOPBACK}:{kamailio.tls_port};transport=tls" for n in (1, 2)}
        at = f"sip:{LOOPBACK}:{kamailio.port};transport="
        async with (
            Baresip("1001", 440, tmp_path / "a", held_first=True, registrar=at + "udp", password=SECRET) as a,
            Baresip("1002", 880, tmp_path / "b", registrar=at + "tcp", password=SECRET) as b,
            with_tls(Server(tmp_path / "server", extensions), authority) as server,
        ):
            await kamailio.has_bound("1001", "1002")
            document = await server.create("2001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await a.hears(880)
            await b.hears(440)
            await b.command("hangup")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert set(over(kamailio, "INVITE")) == set(over(kamailio, "ACK")) == {"tls"}
    assert sorted(over(kamailio, "BYE")) == ["tcp", "tls"]
    assert all(line.count(";lr") == 2 for line in kamailio.seen("ACK"))


@pytest.mark.parametrize("socket", ["ws", "wss"])
async def test_a_browser_that_is_at_it(tmp_path: Path, socket: str) -> None:
    """JsSIP registers with Kamailio; we call it from there, by UDP or TLS, and it is joined with somebody else."""
    authority = Authority(tmp_path)
    secured = secure(authority, LOOPBACK)
    async with Sipp("b_answers", tmp_path / "b") as b, Registrar(tmp_path / "kamailio", SECRET, secured) as kamailio:
        port = kamailio.tls_port if socket == "wss" else kamailio.port
        extensions = {
            "2001": f"sip:1001@{LOOPBACK}:{port};transport={'tls' if socket == 'wss' else 'udp'}",
            "2002": b.uri,
        }
        async with (
            with_tls(Server(tmp_path / "server", extensions), authority) as server,
            JsSip(
                *(tmp_path / "browser", f"{socket}://{LOOPBACK}:{port}", secured.certificate),
                *("sip:1001@acme.example.com", SECRET),
                is_relayed=True,
            ) as phone,
        ):
            await phone.happened("registered")
            document = await server.create("2001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await phone.happened("confirmed")
            # Joined when the re-INVITE is acknowledged; before, it would hang up in the middle of it.
            await until(lambda: len(kamailio.seen("ACK")) == 2, server)
            await phone.hang_up()
            await b.passed()
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")
    assert over(kamailio, "REGISTER") == [socket] * 2
    assert over(kamailio, "BYE") == [socket]
    assert len(kamailio.seen("INVITE")) == 2, "the call, and the re-INVITE that joins it"
    assert routed(kamailio, "ACK") and routed(kamailio, "BYE")
