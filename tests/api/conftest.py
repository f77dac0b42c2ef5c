"""A real server on SQLite in a temporary folder, over a scripted engine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web

from api.app import make_server
from c2c_b2bua.config import Config
from c2c_b2bua.config_file import parse
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import Database
from tests.api.scripted_engine import ScriptedEngine

A = "a" * 32
CHILD = "b" * 32
STRANGER = "c" * 32
KEY = "1" * 64
STRANGER_KEY = "2" * 64

SETTINGS = f"""
[storage]
url = "sqlite:///DATABASE"
busy_timeout = 0.05
[calls]
session_expires = 1200
countries = ["US", "GB"]
allowed_hosts = ["partner.example"]
[[account]]
id = "{A}"
name = "acme"
realm = "acme.example.com"
api_key = "{KEY}"
  [[account.user]]
  username = "mrossi"
  password = "secret"
  extension = "1009"
  [[account.extension]]
  number = "1001"
  uri = "sip:1001@192.0.2.10:5060"
  [[account.extension]]
  number = "2600"
  uri = "sip:2600@192.0.2.11:5060"
[[account]]
id = "{CHILD}"
name = "child"
realm = "child.example.com"
parent = "{A}"
[[account]]
id = "{STRANGER}"
name = "stranger"
realm = "stranger.example.com"
api_key = "{STRANGER_KEY}"
[[trunk]]
name = "carrier"
proxy = "sip:sip.carrier.example:5080;transport=tcp"
username = "u"
password = "p"
"""


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and nothing in them: made once, as that takes longer than most tests."""
    path = tmp_path_factory.mktemp("tables") / "c2c.db"
    asyncio.run(make_tables(path))
    return path


async def make_tables(path: Path) -> None:
    database = Database(f"sqlite:///{path}", 1.0)
    await database.start()
    await database.stop()


@pytest.fixture
def folder(tmp_path: Path, tables: Path) -> Path:
    """A temporary folder with a database in it."""
    shutil.copy(tables, tmp_path / tables.name)
    return tmp_path


def settings_at(folder: Path, text: str = SETTINGS) -> Config:
    """The configuration with its database in `folder`."""
    return parse(text.replace("DATABASE", str(folder / "c2c.db")), "test.toml", lambda reference: reference)


class Api:
    """A client with a token."""

    def __init__(self, session: ClientSession, port: int, exchange: Exchange, engine: ScriptedEngine) -> None:
        self.session = session
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.exchange = exchange
        self.engine = engine
        self.token = ""

    async def call(self, verb: str, path: str, fields: Any = None, **options: Any) -> tuple[ClientResponse, Any]:
        """The response and its JSON; `fields` go into an envelope; `token=None` sends none."""
        headers = dict(options.pop("headers", {}))
        token = options.pop("token", self.token)
        if token:
            headers["X-Auth-Token"] = token
        if fields is not None:
            options["json"] = {"data": fields}
        response = await self.session.request(verb, f"{self.base}{path}", headers=headers, **options)
        body = await response.read()
        return response, (await response.json() if body and response.content_type == "application/json" else None)

    async def create(self, **fields: Any) -> str:
        """A new click-to-call, by its id."""
        data = {"name": "Sales", "extension": "1001", **fields}
        response, body = await self.call("PUT", f"/v2/accounts/{A}/clicktocall", data)
        assert response.status == 201, body
        return str(body["data"]["id"])

    async def connect(
        self, document_id: str, contact: Any = "4155550100", **options: Any
    ) -> tuple[ClientResponse, Any]:
        """POST connect."""
        return await self.call(
            "POST", f"/v2/accounts/{A}/clicktocall/{document_id}/connect", {"contact": contact}, **options
        )


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def settings_text() -> str:
    return SETTINGS


@pytest.fixture
async def exchange(folder: Path, engine: ScriptedEngine, settings_text: str) -> AsyncIterator[Exchange]:
    made = Exchange(settings_at(folder, settings_text), engine)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def api(exchange: Exchange, engine: ScriptedEngine) -> AsyncIterator[Api]:
    runner = web.ServerRunner(make_server(exchange))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        made = Api(session, runner.addresses[0][1], exchange, engine)
        _, body = await made.call("PUT", "/v2/api_auth", {"api_key": KEY})
        made.token = body["auth_token"]
        yield made
    await runner.cleanup()
