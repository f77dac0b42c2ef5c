"""Kamailio as our carrier: registered with, challenged by, record-routed through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.command import c2c
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import PATIENCE, TICK, Record, Server
from tests.sipp.sipp import Sipp
from tests.sipp.stage import CUSTOMER, leg

from .kamailio import Carrier, Kamailio, Refusing, full

LOGIN = {"username": "acme", "password": "carrier-secret", "from_user": "acme", "from_host": "carrier.example"}


def with_tls(server: Server, authority: Authority) -> Server:
    """It speaks TLS beside UDP and TCP, and believes the authority."""
    certificate, key = authority.certificate(LOOPBACK, file="server")
    text = server.config.read_text().replace('listen = ["udp:', f'listen = ["tls:{LOOPBACK}:{free_port()}", "udp:')
    tls = f'\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\nca = "{authority.ca}"\n'
    server.config.write_text(text + tls)
    return server


def with_trunk(server: Server, **settings: object) -> None:
    """One more; those before it go first."""
    with server.config.open("a") as config:
        config.write(
            "\n".join(["[[trunk]]", *(f"{name} = {json.dumps(value)}" for name, value in settings.items()), ""])
        )


@asynccontextmanager
async def registered(
    directory: Path,
    kamailio: Kamailio,
    phone: str = "sip:x@127.0.0.1:9",
    sip: Mapping[str, object] | None = None,
    authority: Authority | None = None,
    **more: object,
) -> AsyncIterator[Server]:
    """A server that has registered with this carrier; `sip` are settings of `[sip]`, `authority`: it speaks TLS."""
    server = Server(directory / "server", {"2001": phone}, sip=sip)
    if authority:
        with_tls(server, authority)
    with_trunk(server, **{"name": "carrier", "proxy": kamailio.proxy, "register": True, **LOGIN, **more})
    async with server:
        yield server


async def trunk(server: Server, state: str) -> Record:
    """The trunk, once it is in this state."""
    found: Record = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while found.get("state") != state:
                (found,) = (await server.request("GET", f"/v2/accounts/{server.account}/trunks", 200))["data"]
                await asyncio.sleep(TICK)
    except TimeoutError:
        pytest.fail(f"{found}\n{server.output()}")
    return found


async def until(is_so: Callable[[], bool], server: Server) -> None:
    """Wait for something that another process does."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not is_so():  # noqa: ASYNC110 (another process)
                await asyncio.sleep(TICK)
    except TimeoutError:
        pytest.fail(server.output())


async def test_registered_and_left(tmp_path: Path) -> None:
    async with Carrier(tmp_path / "kamailio", f"{LOOPBACK}:9", "carrier-secret") as kamailio:
        async with registered(tmp_path, kamailio) as server:
            assert (await trunk(server, "registered"))["reason"] is None
        assert len(kamailio.seen("REGISTER")) == 3, "asked, let in; and the same nonce is good enough to leave"


@pytest.mark.parametrize("says_stale", [True, False], ids=["stale", "silent"])
async def test_a_nonce_that_goes_stale(tmp_path: Path, says_stale: bool) -> None:
    async with Carrier(
        tmp_path / "kamailio", f"{LOOPBACK}:9", "carrier-secret", nonce=1, says_stale=says_stale
    ) as kamailio:
        async with registered(tmp_path, kamailio, options_interval=1) as server:
            await trunk(server, "registered")
            await until(lambda: len(kamailio.seen("OPTIONS")) == 4, server)
        assert len(kamailio.seen("REGISTER")) == 4, "asked, let in; told that the nonce is stale, and left"


async def test_the_wrong_password(tmp_path: Path) -> None:
    async with (
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:9", "another") as kamailio,
        registered(tmp_path, kamailio) as server,
    ):
        await until(lambda: "REGISTER: 401" in server.output(), server)
        assert 2 <= len(kamailio.seen("REGISTER")) <= 3
        assert (await trunk(server, "not registered"))["next_try"]


async def test_refused(tmp_path: Path) -> None:
    async with (
        Refusing(tmp_path / "kamailio", 403, "No customer of ours") as kamailio,
        registered(tmp_path, kamailio) as server,
    ):
        await until(lambda: "REGISTER: 403" in server.output(), server)
        found = await trunk(server, "not registered")
        assert (found["reason"], len(kamailio.seen("REGISTER"))) == ("REGISTER: 403 No customer of ours", 1)


async def test_there_or_not(tmp_path: Path) -> None:
    kamailio = Carrier(tmp_path / "kamailio", f"{LOOPBACK}:9", "carrier-secret")
    proxy = f"sip:{LOOPBACK}:{kamailio.port};transport=tcp"
    async with registered(tmp_path, kamailio, register=False, options_interval=1, proxy=proxy) as server:
        await trunk(server, "down")
        async with kamailio:
            await trunk(server, "up")
        found = await trunk(server, "down")
        assert found["answers_options"] is False


async def test_the_next_trunk_after_503(tmp_path: Path) -> None:
    """And what it is told of the caller."""
    a_port, b_port = free_port(), free_port()
    async with (
        full(tmp_path / "full") as without_lines,
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:{b_port}", "carrier-secret") as kamailio,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{a_port}", "--hangup-after", "0.5") as a,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{b_port}") as b,
    ):
        for phone in (a, b):
            await phone.says("^ready ")
        server = Server(tmp_path / "server", {"2001": f"sip:phone@{LOOPBACK}:{a_port}"})
        with_trunk(server, name="first", proxy=without_lines.proxy)
        with_trunk(server, name="second", proxy=kamailio.proxy, identity="pai", hotlines=["+14155550123"], **LOGIN)
        async with server:
            document = await server.create("2001")
            record = await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], leg(record, "b")["trunk"]) == ("success", "a", "second")
    (attempt,) = record["attempts"]
    assert (attempt["trunk"], attempt["sip_code"], attempt["reason"]) == ("first", 503, "No lines free")
    for line in kamailio.seen("INVITE"):
        assert "from=sip:acme@carrier.example " in line
        assert "<sip:+14155550123@carrier.example>" in line.partition("asserted=")[2]


async def test_a_nonce_that_goes_stale_during_the_call(tmp_path: Path) -> None:
    """The BYE is challenged anew, and goes again."""
    a_port, b_port = free_port(), free_port()
    async with (
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:{b_port}", "carrier-secret", nonce=1) as kamailio,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{a_port}", "--hangup-after", "3") as a,
        c2c("phone", "--listen", f"udp:{LOOPBACK}:{b_port}") as b,
    ):
        for phone in (a, b):
            await phone.says("^ready ")
        async with registered(tmp_path, kamailio, f"sip:phone@{LOOPBACK}:{a_port}", register=False) as server:
            document = await server.create("2001")
            record = await server.ended(document, (await server.connect(document, CUSTOMER))["call_id"])
            await b.says("^ended ")
            await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "a")
    assert len(kamailio.seen("BYE")) == 2


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_through_a_carrier_that_challenges_and_record_routes(tmp_path: Path, transport: str) -> None:
    async with (
        Sipp("a_hangs_up", tmp_path / "a") as a,
        Sipp("b_answers_behind_proxy", tmp_path / "b") as b,
        Carrier(tmp_path / "kamailio", f"{LOOPBACK}:{b.port}", "carrier-secret") as kamailio,
        registered(
            tmp_path, kamailio, a.uri, proxy=f"sip:{LOOPBACK}:{kamailio.port};transport={transport};lr"
        ) as server,
    ):
        await trunk(server, "registered")
        document = await server.create("2001")
        reply = await server.connect(document, CUSTOMER)
        record = await server.ended(document, reply["call_id"])
        await a.passed()
        await b.passed()
        assert (record["result"], leg(record, "b")["trunk"]) == ("success", "carrier")
        assert "attempts" not in record
        await server.nothing_lives()
        assert len(kamailio.seen("INVITE")) == 2, "challenged once"
        for method in ("ACK", "BYE"):
            assert ";lr" in kamailio.seen(method)[-1].partition("route=")[2], "inside the dialog by its Record-Route"
