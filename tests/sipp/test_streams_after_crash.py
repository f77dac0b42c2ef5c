"""The server is killed while phones talk that had connected to it: their streams are gone, their calls are not."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.command import Command, c2c
from tests.test_cli import bridged

from .ports import LOOPBACK, free_port
from .server import Server

USERS = {"2001": "secret1", "2002": "secret2"}


@asynccontextmanager
async def talking(directory: Path, transport: str) -> AsyncIterator[tuple[Server, Command, Command, str, str]]:
    """Server, two phones that have registered over streams and talk, click-to-call and call."""
    port = free_port()
    authority = Authority(directory)
    certificate, key = authority.certificate(LOOPBACK)
    sip = {"listen": [f"{transport}:{LOOPBACK}:{port}"]}
    server = Server(directory / "server", {}, users=USERS, sip=sip)
    with server.config.open("a") as config:
        config.write(f'\n[sip.tls]\ncertificate = "{certificate}"\nkey = "{key}"\nca = "{authority.ca}"\n')
    async with server, AsyncExitStack() as stack:
        phones = []
        for number, password in USERS.items():
            words = f"--listen {transport}:{LOOPBACK}:0 --user {number} --password {password} --domain acme.example.com"
            register = f"--register sip:{LOOPBACK}:{port};transport={transport}"
            files = f"--certificate {certificate} --key {key} --ca {authority.ca}" if transport == "tls" else ""
            phones.append(await stack.enter_async_context(c2c("phone", *f"{words} {register} {files}".split())))
            await phones[-1].says("^registered")
        document, call_id = await bridged(server)
        yield server, phones[0], phones[1], document, call_id


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_phone_is_told_over_a_stream_to_its_contact(tmp_path: Path, transport: str) -> None:
    async with talking(tmp_path, transport) as (server, a, b, document, call_id):
        await server.kill()
        await server.start()
        b.tell(signal.SIGTERM)
        await a.says("^ended .*the other side hung up")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_phone_that_is_gone_and_the_other_is_told(tmp_path: Path, transport: str) -> None:
    async with talking(tmp_path, transport) as (server, a, b, document, call_id):
        await server.kill()
        a.tell(signal.SIGKILL)
        await server.start()
        path = f"/v2/accounts/{server.account}/clicktocall/{document}/calls/{call_id}"
        await server.request("DELETE", path, 200)
        await b.says("^ended .*the other side hung up")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "api")
