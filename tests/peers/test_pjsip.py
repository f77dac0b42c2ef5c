"""PJSIP, which many desk and mobile phones are made of: PRACK, session timers, hold, UPDATE, INFO, early media, NAT."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.command import c2c
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip
from .nat import INSIDE, Nat
from .pjsip import PjSip
from .test_registered import USERS, server_for

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pjsua2") is None, reason="pjsua2-python has no wheel for this Python or this machine"
)


def with_settings(server: Server, number: str, settings: str) -> Server:
    """One of its extensions has these settings, too."""
    text = server.config.read_text()
    server.config.write_text(text.replace(f'number = "{number}"\n', f'number = "{number}"\n{settings}\n'))
    return server


def said(phones: tuple[PjSip, ...], what: str) -> list[int]:
    """How often each has said this; who is rung first has been held at the beginning."""
    return [phone.out.count(what) for phone in phones]


@pytest.mark.parametrize("leaver", ["a", "b"])
async def test_two_of_it_hear_each_other(tmp_path: Path, leaver: str) -> None:
    """Each has its 180 acknowledged by PRACK, and a session agreed that we refresh."""
    async with (
        PjSip(tmp_path / "a", plays=440) as a,
        PjSip(tmp_path / "b", plays=880) as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        await {"a": a, "b": b}[leaver].does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", leaver, ["a", "b"])
    for phone in (a, b):
        ringing, *_ = phone.messages("SIP/2.0 180 ")
        assert (ringing.header("Require"), ringing.sent) == ("100rel", True)
        (acknowledged,) = phone.messages("PRACK ")
        assert acknowledged.header("RAck") == f"{ringing.header('RSeq')} 1 INVITE"
        agreed = [one for one in phone.messages("SIP/2.0 200 ") if one.header("CSeq") == "1 INVITE"]
        assert (agreed[0].header("Require"), agreed[0].header("Session-Expires")) == ("timer", "1800;refresher=uac")


async def test_it_wants_a_longer_session(tmp_path: Path) -> None:
    async with (
        PjSip(tmp_path / "a", plays=440, shortest_session=2000) as a,
        PjSip(tmp_path / "b", plays=880) as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await b.says("^talking$")
        await a.says("^media active$")
        await b.does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], leg(record, "a")["sip_code"], leg(record, "b")["sip_code"]) == ("success", 200, 200)
    (refusal,) = a.messages("SIP/2.0 422 ")
    assert refusal.header("Min-SE") == "2000"
    asked = [one.header("Session-Expires") for one in a.messages("INVITE ")]
    assert [one.partition(";")[0] for one in asked] == ["1800", "2000", "2000"]


@pytest.mark.parametrize("holder", ["a", "b"])
async def test_hold_and_resume(tmp_path: Path, holder: str) -> None:
    """By re-INVITE, passed on to the other; then an UPDATE with an offer, and a digit by INFO."""
    async with (
        PjSip(tmp_path / "a", plays=440) as a,
        PjSip(tmp_path / "b", plays=880) as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        one, other = (a, b) if holder == "a" else (b, a)
        active, held = said((one, other), "media active"), said((one, other), "media held by them")
        await one.does("hold")
        await one.says("^media held by us$")
        await other.says("^media held by them$", held[1] + 1)
        assert other.messages("INVITE ")[-1].direction == "sendonly"
        await one.does("resume")
        await one.says("^media active$", active[0] + 1)
        await other.says("^media active$", active[1] + 1)
        await one.does("update")
        await one.says("^media active$", active[0] + 2)
        await other.says("^media active$", active[1] + 2)
        await one.does("info")
        await one.says("^told 200$")
        await one.does("hangup")
        await other.says("^ended$")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", holder)
    assert other.messages("UPDATE ")[-1].direction == "sendrecv"
    assert "Signal=5" in other.messages("INFO ")[-1].text
    assert not one.messages("SIP/2.0 4") and not other.messages("SIP/2.0 4")


async def test_a_baresip_holds_and_resumes(tmp_path: Path) -> None:
    async with (
        PjSip(tmp_path / "a", plays=440) as a,
        Baresip("contact", 880, tmp_path / "b") as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        (active,), (held,) = said((a,), "media active"), said((a,), "media held by them")
        await b.command("hold")
        await a.says("^media held by them$", held + 1)
        assert a.messages("INVITE ")[-1].direction == "sendonly"
        await b.command("resume")
        await a.says("^media active$", active + 1)
        assert a.messages("INVITE ")[-1].direction == "sendrecv"
        await b.command("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_it_moves_its_media(tmp_path: Path) -> None:
    """To other ports; the other is told where it is now."""
    async with (
        PjSip(tmp_path / "a", plays=440) as a,
        PjSip(tmp_path / "b", plays=880) as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        before, (active,) = a.messages("INVITE ")[-1], said((a,), "media active")
        await b.does("move")
        await a.says("^media active$", active + 1)
        after = a.messages("INVITE ")[-1]
        await b.does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")
    assert before.media.startswith("audio ") and after.media.startswith("audio ")
    assert before.media != after.media


async def test_what_it_plays_before_it_answers(tmp_path: Path) -> None:
    """Early media by a reliable 183, handed on to who was rung first."""
    async with (
        PjSip(tmp_path / "a", plays=440) as a,
        PjSip(tmp_path / "b", plays=880, then=183) as b,
        with_settings(
            Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}), "2002", "early_media = true"
        ) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        assert "talking" not in b.out
        await b.does("answer")
        await b.says("^talking$")
        await b.hears(440)
        await a.does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "a")
    (early,) = [one for one in b.messages("SIP/2.0 183 ") if one.sent]
    assert early.header("Require") == "100rel"
    assert "m=audio" in early.text


async def test_it_makes_the_offer(tmp_path: Path) -> None:
    """Both do: nobody's first INVITE has one, and they hear each other all the same."""
    server = Server(tmp_path / "server", {"2001": "sip:a", "2002": "sip:b"})
    async with PjSip(tmp_path / "a", plays=440) as a, Baresip("contact", 880, tmp_path / "b") as b:
        text = server.config.read_text().replace('"sip:a"', f'"{a.uri}"\noffer = "none"')
        server.config.write_text(text.replace('"sip:b"', f'"{b.uri}"\noffer = "none"'))
        async with server:
            document = await server.create("2001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await a.hears(880)
            await b.hears(440)
            await b.command("hangup")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")
    assert "m=audio" not in a.messages("INVITE ")[0].text
    assert "m=audio" in a.messages("ACK ")[0].text


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_registered_and_called(tmp_path: Path, transport: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.certificate(LOOPBACK, file="server")
    server, port = Server(tmp_path / "server", {}, users=USERS), free_port()
    text = server.config.read_text().replace('listen = ["udp:', f'listen = ["tls:{LOOPBACK}:{port}", "udp:')
    server.config.write_text(f'{text}\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    at = {"registrar": f"sip:{LOOPBACK}:{port if transport == 'tls' else server.sip_port}", "ca": str(authority.ca)}
    async with (
        server,
        PjSip(tmp_path / "a", "1001", 440, transport, password="secret1", **at) as a,
        PjSip(tmp_path / "b", "1002", 880, transport, password="secret2", **at) as b,
    ):
        for one in await server.registrations(2):
            assert (one["transport"], one["user_agent"]) == (transport, "PJSIP 2.15.1")
        document = await server.create("1001")
        call_id = (await server.connect(document, "1002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        await a.does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])


async def test_all_phones_of_a_user_ring(tmp_path: Path) -> None:
    """The first to answer has the call, the other is cancelled."""
    async with Server(tmp_path / "server", {}, users=USERS) as server:
        at = {"registrar": f"sip:{LOOPBACK}:{server.sip_port}"}
        async with (
            PjSip(tmp_path / "a", "1001", 440, password="secret1", **at) as a,
            PjSip(tmp_path / "idle", "1002", 660, password="secret2", then=183, **at) as idle,
            PjSip(tmp_path / "quick", "1002", 880, "tcp", password="secret2", then=183, **at) as quick,
        ):
            await server.registrations(3)
            document = await server.create("1001")
            call_id = (await server.connect(document, "1002"))["call_id"]
            for phone in (idle, quick):
                await phone.says("^ringing$")
            await quick.does("answer")
            await idle.says("^ended$")
            await a.hears(880)
            await quick.does("hangup")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert "talking" not in idle.out
    assert len(idle.messages("CANCEL ")) == 1


async def test_a_wrong_password(tmp_path: Path) -> None:
    async with Server(tmp_path / "server", {}, users=USERS) as server:
        at = f"sip:{LOOPBACK}:{server.sip_port}"
        async with PjSip(tmp_path / "a", "1001", registrar=at, password="guess") as phone:
            await phone.says("^refused 401 ")
            await server.registrations(0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_behind_a_nat(tmp_path: Path, nat: Nat, transport: str) -> None:
    """It finds out what it looks like from outside, and puts that into its Contact, with `;ob` (RFC 5626 §5)."""
    server = server_for(nat, tmp_path / "server")
    at = {"registrar": f"sip:{nat.outside}:{server.sip_port}", "host": INSIDE, "prefix": nat.prefix}
    async with (
        server,
        PjSip(tmp_path / "a", "1001", 440, transport, password="secret1", **at) as a,
        c2c("phone", "--listen", f"udp:{nat.outside}:{(port := free_port())}") as b,
    ):
        await b.says("^ready ")
        await a.says("^registered$")
        (known,) = await server.registrations(1)
        assert (known["network_ip"], known["contact"].endswith(";ob")) == (nat.public, True)
        document = await server.create("1001")
        call_id = (await server.connect(document, f"sip:phone@{nat.outside}:{port}"))["call_id"]
        await b.says("^talking ")
        await a.says("^media active$")
        await a.does("hangup")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
