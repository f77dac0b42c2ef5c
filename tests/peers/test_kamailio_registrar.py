"""Kamailio between us and phones: they are registered with it and called through it, or it brings them to us by a Path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Command, c2c
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Record, Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip
from .kamailio import Kamailio
from .kamailio_registrar import Edge, Registrar
from .test_kamailio import registered, trunk

SECRET = "at-the-registrar"
USERS = {"1001": "secret1", "1002": "secret2"}


def phone(user: str, at: str, password: str, *more: str, transport: str = "udp") -> Command:
    """`c2c phone`, registering at `at`, `host:port`."""
    suffix = "" if transport == "udp" else f";transport={transport}"
    return c2c(
        *("phone", "--user", user, "--listen", f"{transport}:{LOOPBACK}:{free_port()}"),
        *("--domain", "acme.example.com", "--password", password, "--expires", "60"),
        *("--register", f"sip:{at}{suffix}", *more),
    )


def routed(kamailio: Kamailio, method: str) -> bool:
    """All requests of this method came by a Record-Route of Kamailio's, and there are some."""
    seen = [line.partition("route=")[2] for line in kamailio.seen(method)]
    return bool(seen) and all(";lr" in route for route in seen)


async def called(server: Server, extension: str, contact: str) -> Record:
    document = await server.create(extension)
    return await server.ended(document, (await server.connect(document, contact))["call_id"])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_phones_of_its_hear_each_other(tmp_path: Path, transport: str) -> None:
    """Extensions with the registrar's address; it record-routes, between two transports where ours is another."""
    async with Registrar(tmp_path / "kamailio", SECRET) as kamailio:
        at = f"{LOOPBACK}:{kamailio.port}"
        extensions = {f"200{n}": f"sip:100{n}@{at};transport={transport}" for n in (1, 2)}
        async with (
            Baresip("1001", 440, tmp_path / "a", held_first=True, registrar=f"sip:{at}", password=SECRET) as a,
            Baresip("1002", 880, tmp_path / "b", registrar=f"sip:{at}", password=SECRET) as b,
            Server(tmp_path / "server", extensions) as server,
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
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")
    assert {line.partition("over=")[2].partition(" ")[0] for line in kamailio.seen("ACK")} == {transport}
    assert routed(kamailio, "ACK") and routed(kamailio, "BYE")
    assert len(kamailio.seen("BYE")) == 2


async def test_it_rings_all_phones_of_a_user(tmp_path: Path) -> None:
    """It forks our INVITE: two ring, one answers, the other is cancelled by it."""
    async with Registrar(tmp_path / "kamailio", SECRET) as kamailio:
        at = f"{LOOPBACK}:{kamailio.port}"
        async with (
            phone("1001", at, SECRET) as a,
            phone("1002", at, SECRET, "--never-answer") as idle,
            phone("1002", at, SECRET, "--answer-after", "0.5", "--hangup-after", "0.5", transport="tcp") as quick,
            Server(tmp_path / "server", {"2001": f"sip:1001@{at}", "2002": f"sip:1002@{at}"}) as server,
        ):
            for one in (a, idle, quick):
                await one.says("^registered ")
            record = await called(server, "2001", "2002")
            for one in (idle, quick):
                await one.says("^ringing ")
                await one.says("^ended ")
            await quick.says("^talking ")
            await server.nothing_lives()
            assert not any(line.startswith("talking") for line in idle.out)
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert leg(record, "b")["ringing_at"]


async def test_as_a_trunk_that_challenges(tmp_path: Path) -> None:
    """The number is the user of a phone; who is not at home is no reason to try anything else."""
    async with Registrar(tmp_path / "kamailio", "carrier-secret", challenges=True) as kamailio:
        at = f"{LOOPBACK}:{kamailio.port}"
        async with (
            phone("14155550100", at, "carrier-secret", "--hangup-after", "0.5") as b,
            c2c("phone", "--listen", f"udp:{LOOPBACK}:{(port := free_port())}") as a,
            registered(tmp_path, kamailio, f"sip:phone@{LOOPBACK}:{port}", number_format="e164") as server,
        ):
            await a.says("^ready ")
            await b.says("^registered ")
            await trunk(server, "registered")
            record = await called(server, "2001", "+14155550100")
            missed = await called(server, "2001", "+14155550101")
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], leg(record, "b")["trunk"]) == ("success", "b", "carrier")
    assert (missed["result"], leg(missed, "b")["sip_code"], missed["ended_by"]) == ("error", 480, "b")
    assert (leg(missed, "b")["reason"], "attempts" in missed) == ("Not at home", False)
    assert len(kamailio.seen("INVITE")) == 4, "two calls, challenged once each"
    assert routed(kamailio, "BYE")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_brings_phones_by_a_path(tmp_path: Path, transport: str) -> None:
    """Kamailio before our registrar: phones speak to it alone, calls to them take the Path it put on (RFC 3327)."""
    async with Server(tmp_path / "server", {}, users=USERS) as server:
        async with Edge(tmp_path / "kamailio", f"{LOOPBACK}:{server.sip_port}") as kamailio:
            edge = f"sip:{LOOPBACK}:{kamailio.port};transport={transport}"
            async with (
                Baresip("1001", 440, tmp_path / "a", held_first=True, registrar=edge, password="secret1") as a,
                Baresip("1002", 880, tmp_path / "b", registrar=edge, password="secret2") as b,
            ):
                phones = await server.registrations(2)
                assert {one["username"] for one in phones} == {"1001", "1002"}
                document = await server.create("1001")
                call_id = (await server.connect(document, "1002"))["call_id"]
                await a.hears(880)
                await b.hears(440)
                await a.command("hangup")
                record = await server.ended(document, call_id)
                await server.nothing_lives()
        assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
        assert all(leg(record, name)["sip_code"] == 200 for name in "ab")
        for method in ("INVITE", "ACK", "BYE"):
            assert routed(kamailio, method)
