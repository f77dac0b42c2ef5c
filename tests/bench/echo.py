"""The bare server that connect is held against: aiohttp and msgspec, nothing else. Prints its port."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import uvloop
from aiohttp import web

decoder = msgspec.json.Decoder(dict[str, Any])
encoder = msgspec.json.Encoder()


async def echo(request: web.Request) -> web.Response:
    body = decoder.decode(await request.read())
    return web.Response(body=encoder.encode(body), content_type="application/json")


async def serve() -> None:
    app = web.Application()
    app.router.add_post("/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
