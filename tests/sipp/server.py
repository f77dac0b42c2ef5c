"""The real server, started as a user starts it, and the HTTP requests a user makes."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from c2c_b2bua.config import PORTS_APART

from .ports import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20
"""Seconds any single thing may take."""
TICK = 0.02
"""Seconds between two looks at something that is awaited."""
GAUGES = ("c2c_calls_active", "c2c_legs_active", "c2c_transactions_active", "c2c_timers_active")

Record = dict[str, Any]


class Server:
    """`c2c serve` in `directory`, with an account whose `extensions` are numbers and SIP URIs.

    `trunk` is the SIP URI of a carrier that takes `trunk-user` and `trunk-secret`; `calls` are settings of `[calls]`, `sip`
    of `[sip]`. `users` are extensions that register, with their passwords.
    `async with Server(...)` waits until it is ready; at the end it is stopped by SIGTERM and has to exit with 0.
    """

    workers = 1
    """Of `[sip]`: processes that carry calls, each with a port of its own."""
    module = "c2c_b2bua"
    """What is run."""

    def __init__(
        self,
        directory: Path,
        extensions: Mapping[str, str],
        trunk: str = "",
        calls: Mapping[str, object] | None = None,
        sip: Mapping[str, object] | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.account = secrets.token_hex(16)
        self.api_key = secrets.token_hex(32)
        self.http_port = free_port()
        self.sip_port = free_port(PORTS_APART * (self.workers - 1) + 1)
        self.config = directory / "c2c.toml"
        self.log = directory / "server.log"
        directory.mkdir(parents=True, exist_ok=True)
        self.config.write_text(self.settings(extensions, trunk, calls or {}, sip or {}, users or {}))
        self.token = ""
        self.process: asyncio.subprocess.Process | None = None
        self.session: aiohttp.ClientSession | None = None

    def settings(
        self,
        extensions: Mapping[str, str],
        trunk: str,
        calls: Mapping[str, object],
        sip: Mapping[str, object],
        users: Mapping[str, str],
    ) -> str:
        """The configuration file. JSON's strings, numbers and booleans are TOML's."""
        listen = [f"{transport}:{LOOPBACK}:{self.sip_port}" for transport in ("udp", "tcp")]
        tables: list[tuple[str, Mapping[str, object]]] = [
            ("[api]", {"listen": f"{LOOPBACK}:{self.http_port}"}),
            ("[sip]", {"listen": listen, "workers": self.workers, **sip}),
            ("[storage]", {"url": f"sqlite:///{self.directory / 'c2c.db'}"}),
            ("[calls]", {"ring_timeout": 5.0, "grace": 2.0, **calls}),
            ("[[account]]", {"id": self.account, "name": "acme", "realm": "acme.example.com", "api_key": self.api_key}),
            *(
                (
                    "[[account.user]]",
                    {"username": f"user{number}", "password": "x", "extension": number, "sip_password": word},
                )
                for number, word in users.items()
            ),
            *(("[[account.extension]]", {"number": number, "uri": uri}) for number, uri in extensions.items()),
        ]
        if trunk:
            login = {"username": "trunk-user", "password": "trunk-secret"}
            tables.append(("[[trunk]]", {"name": "carrier", "proxy": trunk, **login}))
        return "\n".join(
            "\n".join([head, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])
            for head, values in tables
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.stop()
        await self.abandon()
        if kind is not None:
            print(f"=== server\n{self.output()}")

    async def start(self) -> None:
        """Run the binary and wait until `/readyz` says so."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, "serve", "--config", str(self.config)),
                cwd=ROOT,
                env={**os.environ, "PYTHONWARNINGS": "default"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.session = aiohttp.ClientSession(f"http://{LOOPBACK}:{self.http_port}")
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self.is_ready():  # noqa: ASYNC110 (the news is over HTTP)
                    await asyncio.sleep(TICK)
        except TimeoutError:
            await self.abandon()
            pytest.fail(f"the server is not ready after {PATIENCE} s\n{self.output()}")
        await self.authenticate()

    async def is_ready(self) -> bool:
        assert self.session
        assert self.process
        if self.process.returncode is not None:
            code = self.process.returncode
            await self.abandon()
            pytest.fail(f"the server ended at once with {code}\n{self.output()}")
        try:
            async with self.session.get("/readyz") as reply:
                return reply.status == 200
        except (aiohttp.ClientConnectionError, aiohttp.ClientResponseError):
            # Nobody there yet; or, on loopback and by chance, we ourselves: TCP lets a port connect to itself.
            return False

    async def stop(self) -> None:
        """SIGTERM, as an operator or systemd does it; the exit code has to be 0."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                code = await self.process.wait()
        except TimeoutError:
            await self.abandon()
            pytest.fail(f"the server still runs {PATIENCE} s after SIGTERM\n{self.output()}")
        await self.abandon()
        assert code == 0, f"the server ended with {code}\n{self.output()}"

    async def kill(self) -> None:
        """As the kernel does it when memory runs out: no time for anything. It can be started again."""
        assert self.process
        self.process.kill()
        await self.abandon()

    async def abandon(self) -> None:
        """Leave nothing behind, however it went."""
        if self.session:
            await self.session.close()
            self.session = None
        if self.process:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def request(self, method: str, path: str, expected: int, data: object = None, **query: str) -> dict[str, Any]:
        """One request of the Kazoo API; the envelope of the reply."""
        assert self.session
        headers = {"X-Auth-Token": self.token} if self.token else {}
        body = None if data is None else {"data": data}
        async with self.session.request(method, path, json=body, params=query, headers=headers) as reply:
            text = await reply.text()
            assert reply.status == expected, f"{method} {path}: {reply.status} {text}\n{self.output()}"
            return json.loads(text) if text else {}

    async def authenticate(self) -> None:
        """Log in with the API key (API §3.2)."""
        self.token = ""
        reply = await self.request("PUT", "/v2/api_auth", 201, {"api_key": self.api_key})
        assert reply["data"]["account_id"] == self.account
        self.token = reply["auth_token"]

    async def create(self, extension: str, **fields: object) -> str:
        """A click-to-call for `extension`; its id (API §7.2)."""
        document = {"name": "Sales", "extension": extension, **fields}
        reply = await self.request("PUT", f"/v2/accounts/{self.account}/clicktocall", 201, document)
        return str(reply["data"]["id"])

    async def connect(self, document: str, contact: str, **fields: object) -> dict[str, Any]:
        """Make the call; `data` of the reply, in which `call_id` is (API §8)."""
        path = f"/v2/accounts/{self.account}/clicktocall/{document}/connect"
        return dict((await self.request("POST", path, 200, {"contact": contact, **fields}))["data"])

    async def history(self, document: str) -> list[Record]:
        """The calls of this click-to-call, newest first (API §9)."""
        reply = await self.request("GET", f"/v2/accounts/{self.account}/clicktocall/{document}/history", 200)
        return list(reply["data"])

    async def ended(self, document: str, call_id: str, patience: float = PATIENCE) -> Record:
        """The record of a call, once it has ended."""
        found: list[Record] = []
        try:
            async with asyncio.timeout(patience):
                while True:
                    found = [record for record in await self.history(document) if record.get("call_id") == call_id]
                    if found and found[0].get("ended_by"):
                        return found[0]
                    await asyncio.sleep(TICK)
        except TimeoutError:
            pytest.fail(f"the call has not ended after {patience} s: {found}\n{self.output()}")

    async def reaches(self, document: str, call_id: str, state: str) -> None:
        """Wait until a call that goes on is in this state."""
        path = f"/v2/accounts/{self.account}/clicktocall/{document}/calls/{call_id}"
        found: Record = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = (await self.request("GET", path, 200))["data"]
                    if found.get("state") == state:
                        return
                    await asyncio.sleep(TICK)
        except TimeoutError:
            pytest.fail(f"the call is not {state} after {PATIENCE} s: {found}\n{self.output()}")

    async def registrations(self, count: int) -> list[Record]:
        """The phones that are registered, once they are so many."""
        found: list[Record] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    reply = await self.request("GET", f"/v2/accounts/{self.account}/registrations", 200)
                    found = [phone for phone in reply["data"] if phone["reachable"]]
                    if len(found) == count:
                        return found
                    await asyncio.sleep(TICK)
        except TimeoutError:
            pytest.fail(f"not {count} phones after {PATIENCE} s: {found}\n{self.output()}")

    async def gauges(self) -> dict[str, float]:
        """What is alive in the core, out of `/metrics`."""
        assert self.session
        async with self.session.get("/metrics") as reply:
            lines = (await reply.text()).splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(values[name]) for name in GAUGES}

    async def nothing_lives(self, patience: float = 2) -> None:
        """No call and no leg is left; transactions may still absorb retransmissions (RFC 3261 timers D, I, J, K)."""
        left: dict[str, float] = {}
        try:
            async with asyncio.timeout(patience):
                while True:
                    left = await self.gauges()
                    if not left["c2c_calls_active"] and not left["c2c_legs_active"]:
                        return
                    await asyncio.sleep(TICK)
        except TimeoutError:
            pytest.fail(f"still alive: {left}\n{self.output()}")
