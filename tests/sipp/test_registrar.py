"""Phones register with the real server and are called: SIPp and `c2c phone`, over UDP and TCP, over restarts; strangers."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command, c2c

from .ports import LOOPBACK, free_port
from .server import PATIENCE, Record, Server
from .sipp import SCENARIOS, Sipp
from .stage import leg, legs

USERS = {"1001": "secret1", "1002": "secret2"}


class Registering(Sipp):
    """A phone that registers as `number`, is one for some seconds, and plays `scenario` when it is called meanwhile."""

    def __init__(
        self, number: str, scenario: str, directory: Path, server: Server, transport: str, seconds: float
    ) -> None:
        options = [f"{LOOPBACK}:{server.sip_port}", "-s", number, "-au", number, "-ap", USERS[number]]
        options += ["-d", str(int(seconds * 1000)), "-oocsf", str(SCENARIOS / f"{scenario}.xml")]
        super().__init__("phone_registers", directory, *options, transport=transport)

    async def listens(self) -> bool:
        """It calls first; that it is there is seen when it has registered."""
        return True


@asynccontextmanager
async def serving(directory: Path, extensions: Mapping[str, str] | None = None) -> AsyncIterator[Server]:
    async with Server(directory / "server", extensions or {}, users=USERS) as server:
        yield server


async def called(server: Server, extension: str = "1001", contact: str = "1002") -> Record:
    """The record of a call between two extensions."""
    document = await server.create(extension)
    call_id = (await server.connect(document, contact))["call_id"]
    return await server.ended(document, call_id)


async def refusal(server: Server) -> dict[str, Any]:
    """What a connect says of the extension that is away."""
    document = await server.create("1001")
    path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect"
    reply = await server.request("POST", path, 400, {"contact": "1002"})
    return dict(reply["data"]["extension"])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_phones_register_and_are_called(tmp_path: Path, transport: str) -> None:
    async with (
        serving(tmp_path) as server,
        Registering("1001", "a_answers", tmp_path / "a", server, transport, 3) as a,
        Registering("1002", "b_hangs_up", tmp_path / "b", server, transport, 3) as b,
    ):
        phones = {phone["username"]: phone for phone in await server.registrations(2)}
        assert phones["1001"]["transport"] == transport
        assert phones["1001"]["network_ip"] == LOOPBACK
        assert phones["1001"]["user_agent"] == "Yealink SIPp"
        record = await called(server)
        await a.passed()
        await b.passed()
        assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
        # Called by its Contact, over the way it registered, and asked to answer as its kind of phone understands it.
        (invite, *_) = [m for m in a.messages() if m.first_line.startswith("INVITE ")]
        assert invite.first_line == f"INVITE {phones['1001']['contact']} SIP/2.0"
        assert invite.header("Alert-Info") == "<http://acme.example.com>;info=alert-autoanswer;delay=0"
        assert invite.header("Call-Info") == ""
        # They took themselves back.
        assert await server.registrations(0) == []
        assert "not_registered" in await refusal(server)


async def test_nothing_rings_while_the_extension_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert (await refusal(server))["not_registered"]["cause"] == "USER_NOT_REGISTERED"


async def test_over_a_restart(tmp_path: Path) -> None:
    """Who came by UDP can be called at once; a stream is gone, and its phone has to come back."""
    async with (
        serving(tmp_path) as server,
        Registering("1001", "a_answers", tmp_path / "a", server, "udp", 15) as a,
        Registering("1002", "b_hangs_up", tmp_path / "b", server, "tcp", 15),
    ):
        before = {phone["username"]: phone for phone in await server.registrations(2)}
        await server.stop()
        await server.start()
        reply = await server.request("GET", f"/v2/accounts/{server.account}/registrations", 200)
        after = {phone["username"]: phone for phone in reply["data"]}
        assert {number: phone["reachable"] for number, phone in after.items()} == {"1001": True, "1002": False}
        for name in ("id", "contact", "call_id", "user_agent", "registered_at"):
            assert {phone[name] for phone in before.values()} == {phone[name] for phone in after.values()}
        async with phone_of(server, "1002", "udp", "--hangup-after", "0.5") as b:
            await b.says("^registered ")
            record = await called(server)
        assert (record["result"], legs(record)) == ("success", ["a", "b"])
        assert leg(record, "a")["sip_code"] == 200
        assert any(m.first_line.startswith("INVITE ") for m in a.messages())


# ── our own phone ────────────────────────────────────────────────────────────────────────────────────────────────────


def phone_of(server: Server, number: str, transport: str, *more: str, password: str = "") -> Command:
    """`c2c phone`, registered."""
    suffix = "" if transport == "udp" else f";transport={transport}"
    return c2c(
        *("phone", "--user", number, "--listen", f"{transport}:{LOOPBACK}:{free_port()}"),
        *("--domain", "acme.example.com", "--password", password or USERS[number], "--expires", "60"),
        *("--register", f"sip:{LOOPBACK}:{server.sip_port}{suffix}", *more),
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_our_phone_registers_and_is_called(tmp_path: Path, transport: str) -> None:
    async with (
        serving(tmp_path) as server,
        phone_of(server, "1001", transport) as a,
        phone_of(server, "1002", transport, "--hangup-after", "0.5") as b,
    ):
        for phone, number in ((a, "1001"), (b, "1002")):
            await phone.says(f"^registered +sip:{number}@acme.example.com for 60 s$")
        record = await called(server)
        assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
        await a.says("^talking ")
        for phone in (a, b):
            phone.tell(signal.SIGTERM)
            assert (await phone.ended()).code == 0
        assert await server.registrations(0) == []


async def test_a_wrong_password(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, phone_of(server, "1001", "udp", password="guess") as phone:
        outcome = await phone.ended()
        assert outcome.code == 1
        assert outcome.out.endswith("refused      sip:1001@acme.example.com: 401 Unauthorized")
        assert "guess" not in server.output()
        assert "secret" not in server.output()


async def test_all_phones_of_a_user_ring_and_the_first_to_answer_has_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path))
        idle = await stack.enter_async_context(phone_of(server, "1001", "udp", "--never-answer"))
        quick = await stack.enter_async_context(phone_of(server, "1001", "tcp", "--answer-after", "0.5"))
        b = await stack.enter_async_context(phone_of(server, "1002", "udp", "--hangup-after", "0.5"))
        for phone in (idle, quick, b):
            await phone.says("^registered ")
        assert len(await server.registrations(3)) == 3
        record = await called(server)
        assert (record["result"], legs(record)) == ("success", ["a", "b"])
        await idle.says("^ringing ")
        await idle.says("^ended ")
        await quick.says("^talking ")
        assert not any(line.startswith("talking") for line in idle.out)
        await server.nothing_lives()


async def test_a_phone_whose_connection_breaks_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, phone_of(server, "1001", "tcp") as phone:
        await phone.says("^registered ")
        await server.registrations(1)
        phone.tell(signal.SIGKILL)
        assert await server.registrations(0) == []
        assert "not_registered" in await refusal(server)


# ── strangers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def request(method: str, domain: str, port: int, number: int) -> bytes:
    lines = [
        f"{method} sip:{domain} SIP/2.0",
        f"Via: SIP/2.0/UDP {LOOPBACK}:{port};branch=z9hG4bK{number};rport",
        f"From: <sip:100@{domain}>;tag=1",
        f"To: <sip:100@{domain}>",
        f"Call-ID: scan-{number}",
        f"CSeq: 1 {method}",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("known", [False, True])
async def test_scanners_hear_nothing(tmp_path: Path, known: bool) -> None:
    """The first thing a stranger hears is the answer to a REGISTER for a domain of ours, sent last."""
    extensions = {"2001": f"sip:2001@{LOOPBACK}:9"} if known else {}
    async with serving(tmp_path, extensions) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((LOOPBACK, 0))
            udp.settimeout(PATIENCE)
            port = udp.getsockname()[1]
            scans = [("OPTIONS", LOOPBACK), ("INVITE", LOOPBACK), ("BYE", LOOPBACK), ("REGISTER", LOOPBACK)]
            for number, (method, domain) in enumerate([*scans, ("REGISTER", "acme.example.com")]):
                udp.sendto(request(method, domain, port, number), (LOOPBACK, server.sip_port))
            first = await asyncio.to_thread(udp.recv, 2000)
    assert first.split(b" ")[1] == (b"200" if known else b"401")
