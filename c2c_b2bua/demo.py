"""`c2c demo`: the real server on loopback, two simulated phones, one click-to-call from HTTP request to history."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.config import parse
from c2c_b2bua.handset import Handset
from c2c_b2bua.ladder import HEAD, Ladder
from c2c_b2bua.phone import Manners
from c2c_b2bua.server import Server

SETTINGS = """
[api]
listen = "127.0.0.1:0"

[sip]
listen = ["udp:127.0.0.1:0"]

[storage]
url = "sqlite:///{database}"

[[account]]
id = "{account}"
name = "demo"
realm = "demo.example.com"
api_key = "{api_key}"

  [[account.extension]]
  number = "1001"
  uri = "{agent}"

  [[account.extension]]
  number = "2001"
  uri = "{customer}"
"""


async def demo(say: Callable[[str], None], show: Callable[[Any], None]) -> bool:
    """Play it; `say` prints a line, `show` a JSON value. True: bridged, and torn down with nothing left over."""
    agent = Handset("udp:127.0.0.1:0", Manners(user="1001", answer_after=0.4, media_port=40000))
    customer = Handset("udp:127.0.0.1:0", Manners(user="2001", answer_after=0.6, hangup_after=1.0, media_port=42000))
    await agent.start()
    await customer.start()
    account, api_key = secrets.token_hex(16), secrets.token_hex(32)
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = SETTINGS.format(
                database=Path(folder) / "demo.db",
                account=account,
                api_key=api_key,
                agent=agent.uri,
                customer=customer.uri,
            )
            server = Server(parse(text, "demo", str))
            await server.start()
            try:
                record = await one_call(server, account, api_key, say)
            finally:
                await server.stop()
    finally:
        await agent.stop()
        await customer.stop()
    say("")
    say("What history says:")
    show(record)
    counts = server.engine.counts
    return record.get("result") == "success" and counts["calls"] == counts["legs"] == 0


async def one_call(server: Server, account: str, api_key: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Log in, create a click-to-call, connect it, wait for its end; the history record."""
    ended = asyncio.Event()
    server.engine.subscribe(lambda news: ended.set() if isinstance(news, CallEnded) else None)
    base = f"http://127.0.0.1:{server.http_port}/v2"
    async with aiohttp.ClientSession() as http:

        async def ask(method: str, path: str, data: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
            body = {"data": data} if data is not None else None
            headers = {"X-Auth-Token": token} if token else {}
            async with http.request(method, f"{base}/{path}", json=body, headers=headers) as reply:
                answer: dict[str, Any] = await reply.json()
                say(f"{method} /v2/{path.replace(account, '{account}')} -> {reply.status}")
                if reply.status >= 400:
                    raise RuntimeError(f"{method} {path}: {reply.status} {answer}")
                return answer

        token = (await ask("PUT", "api_auth", {"api_key": api_key}))["auth_token"]
        documents = f"accounts/{account}/clicktocall"
        created = await ask("PUT", documents, {"name": "Demo", "extension": "1001"}, token)
        document = f"{documents}/{created['data']['id']}"
        ladder = Ladder(server.engine.now())

        def trace(direction: str, data: bytes, flow: object) -> None:
            line = ladder.line(direction, data, server.engine.now())
            if line is not None:
                say(line)

        server.engine.traces.append(trace)
        say("")
        say(HEAD)
        await ask("POST", f"{document}/connect?auto_answer=false", {"contact": "2001"}, token)
        async with asyncio.timeout(30):
            await ended.wait()
        say("")
        history = await ask("GET", f"{document}/history", token=token)
    record: dict[str, Any] = history["data"][0]
    return record
