"""`c2c demo`: one click-to-call on this machine, from HTTP request to history."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.commands.terminal import fail, run, say, set_up_log, show
from c2c_b2bua.config_file import parse
from c2c_b2bua.handset import Handset
from c2c_b2bua.ladder import HEAD, Ladder
from c2c_b2bua.phone import Manners
from c2c_b2bua.server import Server
from c2c_b2bua.storage.database import StorageError

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


def demo() -> None:
    """See one click-to-call on this machine: the real server and two simulated phones, on free ports of loopback.

    Prints the HTTP requests, the SIP ladder as it happens, and the history record. Needs no configuration, leaves
    nothing behind. Exit code 0 when the call was bridged and torn down with nothing left over.
    """
    set_up_log("warning")
    try:
        record, left = run(played())
    except (RuntimeError, StorageError, TimeoutError) as error:
        fail(1, f"The demo failed: {error or 'the call did not end'}.")
    say("")
    say("What history says:")
    show({name: value for name, value in record.items() if name != "ladder"})
    say("")
    if record.get("result") != "success" or left:
        fail(1, "The call was not bridged and torn down as it should.")
    say("Bridged, and torn down with nothing left over.")


async def played() -> tuple[dict[str, Any], int]:
    """Play it: the history record, and how many calls and legs are left in the engine."""
    agent = Handset("udp:127.0.0.1:0", Manners(user="1001", answer_after=0.4, media_port=40000))
    customer = Handset("udp:127.0.0.1:0", Manners(user="2001", answer_after=0.6, hangup_after=1.0, media_port=42000))
    async with contextlib.AsyncExitStack() as stack:
        for handset in (agent, customer):
            await handset.start()
            stack.push_async_callback(handset.stop)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        account, api_key = secrets.token_hex(16), secrets.token_hex(32)
        text = SETTINGS.format(
            database=Path(folder) / "demo.db", account=account, api_key=api_key, agent=agent.uri, customer=customer.uri
        )
        server = Server(parse(text, "demo", str))
        await server.start()
        stack.push_async_callback(server.stop)
        say(f"A, the agent's extension 1001:  {agent.uri}")
        say(f"B, the customer's phone 2001:   {customer.uri}")
        record = await one_call(server, account, api_key)
        counts = server.engine.counts
    return record, counts["calls"] + counts["legs"]


async def one_call(server: Server, account: str, api_key: str) -> dict[str, Any]:
    """Log in, create a click-to-call, connect it, wait for its end; the history record."""
    engine = server.engine
    ended = asyncio.Event()
    engine.subscribe(lambda news: ended.set() if isinstance(news, CallEnded) else None)
    base = f"http://127.0.0.1:{server.http_port}/v2"
    ladder = Ladder(engine.now())

    def trace(direction: str, data: bytes, flow: object) -> None:
        rung = ladder.rung(direction, data, engine.now())
        if rung is not None:
            say(rung)

    async with aiohttp.ClientSession() as http:

        async def ask(method: str, path: str, data: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
            body = {"data": data} if data is not None else None
            headers = {"X-Auth-Token": token} if token else {}
            async with http.request(method, f"{base}/{path}", json=body, headers=headers) as reply:
                answer: dict[str, Any] = await reply.json()
                if reply.status >= 400:
                    raise RuntimeError(f"{method} /v2/{path}: {reply.status} {answer}")
                return answer

        say("")
        say("PUT  /v2/api_auth                                   log in with the API key")
        token = (await ask("PUT", "api_auth", {"api_key": api_key}))["auth_token"]
        documents = f"accounts/{account}/clicktocall"
        say("PUT  /v2/accounts/{A}/clicktocall                   create a click-to-call for 1001")
        created = await ask("PUT", documents, {"name": "Demo", "extension": "1001"}, token)
        document = f"{documents}/{created['data']['id']}"
        body = {"contact": "2001"}
        say(f"POST /v2/accounts/{{A}}/clicktocall/{{C}}/connect       {json.dumps({'data': body})}")
        say("")
        say(HEAD)
        ladder.started = engine.now()
        engine.traces.append(trace)
        answer = await ask("POST", f"{document}/connect?auto_answer=false", body, token)
        say(ladder.note(f"HTTP answered: call {answer['data']['call_id'][:12]}… is accepted", engine.now()))
        async with asyncio.timeout(30):
            await ended.wait()
        say("")
        say("GET  /v2/accounts/{A}/clicktocall/{C}/history       what became of it")
        history = await ask("GET", f"{document}/history", token=token)
    record: dict[str, Any] = history["data"][0]
    return record
