"""Kamailio as our carrier: registered with, challenged by, record-routed through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import PATIENCE, TICK, Record, Server
from tests.sipp.sipp import Sipp
from tests.sipp.stage import CUSTOMER, leg

from .kamailio import Carrier, Kamailio

LOGIN = {"username": "acme", "password": "carrier-secret", "from_user": "acme", "from_host": "carrier.example"}


def with_tls(server: Server, authority: Authority) -> Server:
    """It speaks TLS beside UDP and TCP, and believes the authority."""
    certificate, key = authority.certificate(LOOPBACK, file="server")
    text = server.config.read_text().replace('listen = ["udp:', f'listen = ["tls:{LOOPBACK}:{free_port()}", "udp:')
    tls = f'\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\nca = "{authority.ca}"\n'
    server.config.write_text(text + tls)
    return server


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
    values = {"name": "carrier", "proxy": kamailio.proxy, "register": True, **LOGIN, **more}
    with server.config.open("a") as config:
        config.write("\n".join(["[[trunk]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]))
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
