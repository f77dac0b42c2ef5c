"""All routes on one screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from api import auth, kazoo, kazoo_accounts, kazoo_calls, kazoo_quickcall, kazoo_registrations, kazoo_trunks
from api.client_limits import ClientLimits
from api.coalescing import Coalescing
from api.connection import Server
from api.drain import DrainDoor
from api.health import Health, read_only
from api.kazoo_door import KazooDoor, Resource
from api.omicall_door import OmicallDoor
from api.openapi.description import description
from api.relay import Gate
from api.tvox_door import TvoxDoor
from c2c_b2bua.service.exchange import Exchange

Door = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BANNER = "C2C B2BUA: click-to-call without a PBX. The API is at /v2.\n"
CLICKS = "accounts/*/clicktocall"

KAZOO = [
    # path after /v1 or /v2, what each verb does there
    Resource("api_auth", is_public=True, PUT=auth.api_auth),
    Resource("user_auth", is_public=True, PUT=auth.user_auth),
    Resource("user_auth/*", GET=auth.token_auth),
    Resource("token_auth", GET=auth.token_auth, DELETE=auth.end_token),
    Resource("schemas", is_public=True, GET=kazoo.list_schemas),
    Resource("schemas/*", is_public=True, GET=kazoo.read_schema),
    Resource("accounts/*", GET=kazoo_accounts.read_account),
    Resource("accounts/*/descendants", has_csv=True, GET=kazoo_accounts.list_descendants),
    Resource("accounts/*/trunks", has_csv=True, GET=kazoo_trunks.list_trunks),
    Resource("accounts/*/users", has_csv=True, GET=kazoo_accounts.list_users),
    Resource("accounts/*/users/*", GET=kazoo_accounts.read_user),
    Resource("accounts/*/users/*/quickcall/*", GET=kazoo_quickcall.from_user, POST=kazoo_quickcall.from_user),
    Resource("accounts/*/devices", has_csv=True, GET=kazoo_accounts.list_devices),
    Resource("accounts/*/devices/*", GET=kazoo_accounts.read_device),
    Resource("accounts/*/devices/*/quickcall/*", GET=kazoo_quickcall.from_device, POST=kazoo_quickcall.from_device),
    Resource("accounts/*/registrations", has_csv=True, GET=kazoo_registrations.list_registrations),
    Resource(CLICKS, has_csv=True, GET=kazoo.list_documents, PUT=kazoo.create),
    Resource(f"{CLICKS}/*", GET=kazoo.read, POST=kazoo.replace, PATCH=kazoo.patch, DELETE=kazoo.delete),
    Resource(f"{CLICKS}/*/connect", GET=kazoo_calls.connect, POST=kazoo_calls.connect),
    Resource(f"{CLICKS}/*/history", has_csv=True, GET=kazoo_calls.history),
    Resource(f"{CLICKS}/*/calls", GET=kazoo_calls.list_calls),
    Resource(f"{CLICKS}/*/calls/*", GET=kazoo_calls.read_call, DELETE=kazoo_calls.hang_up),
]


class Doors:
    """Every request goes to the door that the first segment of its path names."""

    def __init__(self, exchange: Exchange, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self.coalescing = Coalescing()
        self.under_way = exchange.calls.under_way
        health = Health(exchange)
        limits = ClientLimits(exchange.settings.api)
        kazoo_door = KazooDoor(exchange, limits, KAZOO)
        self.by_name: dict[str, Door] = {
            "v1": kazoo_door,
            "v2": kazoo_door,
            "tvox": TvoxDoor(exchange, limits),
            "api": OmicallDoor(exchange, limits),
            "healthz": read_only(health.healthz),
            "readyz": read_only(health.readyz),
            "drain": DrainDoor(exchange, limits),
            "metrics": read_only(health.metrics),
            "openapi.json": description().json,
            "docs": description().page,
        }

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request, answered here unless another process has taken over."""
        if http.method != "GET":
            # What is only read is cheap enough as it is.
            await self.coalescing.wait()
        if self.gate.is_shut and (passed := await self.gate.passed(http)) is not None:
            return passed
        self.under_way.begin()
        try:
            return await self.answer(http)
        finally:
            self.under_way.end()

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """The door's answer. Repeated slashes count as one."""
        doors = self.by_name
        door = doors.get(http.raw_path[1:].partition("/")[0]) or doors.get(http.path.lstrip("/").partition("/")[0])
        if door is None:
            return web.Response(text=BANNER, headers={"Server": "c2c-b2bua"})
        if "Expect" in http.headers and http.headers["Expect"].lower() == "100-continue":
            await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            http.writer.output_size = 0
        return await door(http)


def make_server(exchange: Exchange, gate: Gate | None = None) -> Server:
    """The HTTP server, for a `web.ServerRunner`; whoever made the exchange starts and stops it."""
    loop = asyncio.get_running_loop()
    most = exchange.settings.api.max_body

    def made(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=most)

    return Server(Doors(exchange, gate), request_factory=made)
