"""All routes on one screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from api import auth, kazoo
from api.client_limits import ClientLimits
from api.health import Health
from api.kazoo_door import KazooDoor, Resource
from c2c_b2bua.service.exchange import Exchange

Door = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BANNER = "C2C B2BUA: click-to-call without a PBX. The API is at /v2.\n"
ACCOUNT = "accounts/*/clicktocall"

KAZOO = [
    # path after /v2, without a token?, what each verb does
    Resource("api_auth", True, PUT=auth.api_auth),
    Resource("user_auth", True, PUT=auth.user_auth),
    Resource("user_auth/*", False, GET=auth.token_auth),
    Resource("token_auth", False, GET=auth.token_auth, DELETE=auth.end_token),
    Resource("schemas", True, GET=kazoo.list_schemas),
    Resource("schemas/*", True, GET=kazoo.read_schema),
    Resource(ACCOUNT, False, GET=kazoo.list_documents, PUT=kazoo.create),
    Resource(f"{ACCOUNT}/*", False, GET=kazoo.read, POST=kazoo.replace, PATCH=kazoo.patch, DELETE=kazoo.delete),
    Resource(f"{ACCOUNT}/*/connect", False, GET=kazoo.connect, POST=kazoo.connect),
    Resource(f"{ACCOUNT}/*/history", False, GET=kazoo.history),
    Resource(f"{ACCOUNT}/*/calls", False, GET=kazoo.list_calls),
    Resource(f"{ACCOUNT}/*/calls/*", False, GET=kazoo.read_call, DELETE=kazoo.hang_up),
]


class Doors:
    """Every request goes to the door that the first segment of its path names."""

    def __init__(self, exchange: Exchange) -> None:
        health = Health(exchange)
        limits = ClientLimits(exchange.settings.api)
        kazoo_door = KazooDoor(exchange, limits, KAZOO)
        self.by_name: dict[str, Door] = {
            "v1": kazoo_door,
            "v2": kazoo_door,
            "healthz": health.healthz,
            "readyz": health.readyz,
            "metrics": health.metrics,
        }

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request. Repeated slashes count as one."""
        name = http.path.lstrip("/").partition("/")[0]
        door = self.by_name.get(name)
        if door is None:
            return web.Response(text=BANNER, headers={"Server": "c2c-b2bua"})
        if "Expect" in http.headers and http.headers["Expect"].lower() == "100-continue":
            await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            http.writer.output_size = 0
        return await door(http)


def make_server(exchange: Exchange) -> web.Server:
    """The HTTP server, for a `web.ServerRunner`; whoever made the exchange starts and stops it.

    It is aiohttp's low-level one: its routing would cost a third of an answer.
    """
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

    return web.Server(Doors(exchange), request_factory=made, access_log=None)
