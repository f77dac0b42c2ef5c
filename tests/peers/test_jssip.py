"""JsSIP in Chromium registers over WSS with digest and is called as the extension, over the connection it opened."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server
from tests.sipp.sipp import Sipp
from tests.sipp.stage import leg, legs
from tests.test_cli import TwoPhones

from .jssip.phone import JsSip

USERS = {"1001": "secret1"}
URI = "sip:1001@acme.example.com"


def secured(
    directory: Path, extensions: dict[str, str], users: dict[str, str] = USERS, **calls: object
) -> tuple[Server, str, Path]:
    """A server that speaks WSS, its address there and its certificate."""
    certificate, key = Authority(directory).certificate(LOOPBACK)
    port = free_port()
    sip = {"listen": [f"udp:{LOOPBACK}:{free_port()}", f"wss:{LOOPBACK}:{port}"]}
    server = Server(directory / "server", extensions, calls=calls, sip=sip, users=users)
    with server.config.open("a") as config:
        config.write(f'\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    return server, f"wss://{LOOPBACK}:{port}", certificate


async def test_a_browser_refuses_plain_rtp(tmp_path: Path) -> None:
    """It is registered and rings; of an offer without DTLS it says 488, and nobody else is called."""
    server, address, certificate = secured(tmp_path, {"2002": f"sip:nobody@{LOOPBACK}:9"})
    async with server, JsSip(tmp_path / "browser", address, certificate, URI, "secret1") as phone:
        await phone.happened("registered")
        (known,) = await server.registrations(1)
        assert (known["username"], known["transport"], known["network_ip"]) == ("1001", "wss", LOOPBACK)
        assert known["user_agent"].startswith("JsSIP 3.13.8")
        assert ".invalid" in known["contact"]
        document = await server.create("1001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        assert (await phone.happened("ringing"))["to"] == "sip:2002@acme.example.com"
        assert "without DTLS fingerprint" in (await phone.happened("objected"))["why"]
        await phone.happened("failed")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], record["sip_code"]) == ("error", "a", 488)
    assert (record["cause"], record["bridged_at"], legs(record)) == ("INCOMPATIBLE_DESTINATION", None, ["a"])
    refused = leg(record, "a")
    assert refused["ringing_at"]
    assert (refused["answered_at"], refused["sip_code"]) == (None, 488)


async def test_a_wrong_password_does_not_register(tmp_path: Path) -> None:
    server, address, certificate = secured(tmp_path, {})
    async with server, JsSip(tmp_path / "browser", address, certificate, URI, "secret2") as phone:
        assert (await phone.happened("unregistered"))["cause"] == "Authentication Error"
        await server.registrations(0)


@pytest.mark.parametrize(("ender", "scenario"), [("a", "b_answers"), ("b", "b_hangs_up")])
async def test_a_browser_behind_a_relay_is_joined(tmp_path: Path, ender: str, scenario: str) -> None:
    """With DTLS on its side and plain RTP on ours it answers, follows the re-INVITE, and either side hangs up."""
    async with Sipp(scenario, tmp_path / "b") as b:
        server, address, certificate = secured(tmp_path, {"2002": b.uri})
        async with (
            server,
            JsSip(tmp_path / "browser", address, certificate, URI, "secret1", is_relayed=True) as phone,
        ):
            await phone.happened("registered")
            document = await server.create("1001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            first = await phone.happened("answering")
            assert "a=inactive" in first["sdp"]
            await phone.happened("confirmed")
            # Chromium goes on to send nothing when it was first offered `inactive`.
            again = await phone.happened("answering", 2)
            assert "a=recvonly" in again["sdp"]
            if ender == "a":
                await phone.hang_up()
            assert (await phone.happened("ended"))["originator"] == ("local" if ender == "a" else "remote")
            await b.passed()
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", ender, ["a", "b"])
    assert record["bridged_at"]
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")


@pytest.mark.parametrize("ender", ["a", "b"])
async def test_two_browsers_are_joined(tmp_path: Path, ender: str) -> None:
    """The first makes the offer, with its keys; the second answers it, and each hears the other's tone."""
    users = {"1001": "secret1", "1002": "secret2"}
    server, address, certificate = secured(tmp_path, {}, users, offer="none")
    async with (
        server,
        JsSip(tmp_path / "a", address, certificate, URI, "secret1") as a,
        JsSip(tmp_path / "b", address, certificate, "sip:1002@acme.example.com", "secret2") as b,
    ):
        await a.happened("registered")
        await b.happened("registered")
        document = await server.create("1001")
        call_id = (await server.connect(document, "1002"))["call_id"]
        assert "a=fingerprint" in (await a.happened("answering"))["sdp"]
        assert "a=fingerprint" in (await b.happened("answering"))["sdp"]
        await a.happened("heard")
        await b.happened("heard")
        await (a if ender == "a" else b).hang_up()
        await a.happened("ended")
        await b.happened("ended")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", ender, ["a", "b"])


async def test_a_browser_that_has_connected_again_after_a_crash_is_told(tmp_path: Path) -> None:
    """The server is killed while they talk: the browser registers again, and over that connection gets its BYE."""
    async with TwoPhones() as phones:
        server, address, certificate = secured(tmp_path, {"2002": phones.uris[1]})
        async with (
            server,
            JsSip(tmp_path / "browser", address, certificate, URI, "secret1", is_relayed=True) as phone,
        ):
            await phone.happened("registered")
            document = await server.create("1001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await server.reaches(document, call_id, "bridged")
            await server.kill()
            await server.start()
            await phone.happened("registered", 2)
            phones.b.tell(signal.SIGTERM)
            assert (await phone.happened("ended"))["originator"] == "remote"
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_browser_that_is_gone_after_a_crash_and_the_other_side_is_told(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        server, address, certificate = secured(tmp_path, {"2002": phones.uris[1]})
        async with server:
            async with JsSip(tmp_path / "browser", address, certificate, URI, "secret1", is_relayed=True) as phone:
                await phone.happened("registered")
                document = await server.create("1001")
                call_id = (await server.connect(document, "2002"))["call_id"]
                await server.reaches(document, call_id, "bridged")
                await server.kill()
            await server.start()
            path = f"/v2/accounts/{server.account}/clicktocall/{document}/calls/{call_id}"
            await server.request("DELETE", path, 200)
            await phones.b.says("^ended .*the other side hung up")
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "api")
