"""The real server being stopped while calls go on: SIGTERM, `POST /drain`, the end of the grace, the second signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.command import PATIENCE, c2c
from tests.test_cli import TwoPhones, bridged
from tests.webhook_receiver import Receiver

from .ports import LOOPBACK, free_port
from .server import TICK, Server
from .sipp import Message, Sipp
from .stage import leg
from .test_webhooks import WEBHOOKS, OmicallServer

TOKEN = "a token for the tests"
CLICKS = "/v2/accounts/{}/clicktocall/{}"


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that only asking tells."""
    async with asyncio.timeout(PATIENCE):
        while not await is_so():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(TICK)


async def terminate(server: Server) -> None:
    """SIGTERM, and wait until it is known everywhere."""
    assert server.process
    server.process.send_signal(signal.SIGTERM)
    await until(lambda: drains(server))


async def drains(server: Server) -> bool:
    assert server.session
    async with server.session.get("/readyz") as reply:
        return reply.status == 503


async def exit_code(server: Server) -> int:
    """Of a server that ends by itself."""
    assert server.process
    async with asyncio.timeout(PATIENCE):
        return await server.process.wait()


async def health(server: Server) -> Any:
    assert server.session
    async with server.session.get("/healthz") as reply:
        assert reply.status == 200
        return await reply.json()


async def records(server: Server, document: str) -> list[dict[str, Any]]:
    """What history says when the service runs again."""
    async with server:
        return await server.history(document)


def reason(messages: list[Message], method: str) -> str:
    """The Reason of the first request of this method."""
    return next(message.header("Reason") for message in messages if message.first_line.startswith(f"{method} "))


async def test_talking_goes_on_after_sigterm(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        server = phones.server(tmp_path, grace=3600.0)
        async with server:
            document, call_id = await bridged(server)
            await terminate(server)
            assert await health(server) == {"status": "draining", "calls": 1}
            path = f"{CLICKS.format(server.account, document)}/connect?contact=2002"
            refused = await server.request("GET", path, 503)
            assert refused["message"] == "service_unavailable"
            await server.reaches(document, call_id, "bridged")
            phones.b.tell(signal.SIGTERM)
            await phones.a.says("^ended .*the other side hung up")
            assert await exit_code(server) == 0
        assert '"calls": 1, "event": "draining"' in server.output()
        (record,) = await records(server, document)
    assert (record["call_id"], record["result"], record["ended_by"]) == (call_id, "success", "b")


async def test_who_rings_may_still_answer_after_sigterm(tmp_path: Path) -> None:
    async with TwoPhones(b="--answer-after 0.5 --hangup-after 0.2") as phones:
        server = phones.server(tmp_path, grace=3600.0)
        async with server:
            document = await server.create("2001")
            await server.connect(document, "2002")
            await phones.b.says("^ringing")
            await terminate(server)
            assert await exit_code(server) == 0
        (record,) = await records(server, document)
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_phones_register_with_a_server_that_drains(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        server = Server(
            tmp_path,
            dict(zip(("2001", "2002"), phones.uris, strict=True)),
            calls={"grace": 3600.0},
            users={"1001": "phone-secret"},
        )
        async with server:
            await bridged(server)
            await terminate(server)
            words = (
                f"--user 1001 --listen udp:{LOOPBACK}:{free_port()} --domain acme.example.com --password phone-secret"
            )
            async with c2c("phone", *words.split(), "--register", f"sip:{LOOPBACK}:{server.sip_port}") as phone:
                await phone.says("^registered")
            phones.b.tell(signal.SIGTERM)
            assert await exit_code(server) == 0


async def test_when_the_grace_is_over_everybody_is_told_why(tmp_path: Path) -> None:
    """One call talks, one rings; webhooks know of the end of both before the process is gone."""
    async with AsyncExitStack() as stack:
        a, b, other_a, other_b = [
            await stack.enter_async_context(Sipp(name, tmp_path / f"{index}"))
            for index, name in enumerate(("a_answers", "b_answers", "a_is_released", "b_never_answers"))
        ]
        receiver = await stack.enter_async_context(Receiver())
        uris = {"2001": a.uri, "2002": b.uri, "2003": other_a.uri, "2004": other_b.uri}
        server = OmicallServer(tmp_path / "server", uris, calls={"grace": 0.5, "ring_timeout": 60.0})
        server.add(WEBHOOKS)
        async with server:
            await server.register(receiver)
            talking, ringing = await server.create("2001"), await server.create("2003")
            await server.reaches(talking, (await server.connect(talking, "2002"))["call_id"], "bridged")
            await server.reaches(ringing, (await server.connect(ringing, "2004"))["call_id"], "ringing_b")
            assert server.process
            server.process.send_signal(signal.SIGTERM)
            assert await exit_code(server) == 0
        for phone in (a, b, other_a, other_b):
            await phone.passed()
        told = [await receiver.next() for _ in range(7)]
        found = {document: await records(server, document) for document in (talking, ringing)}
    why = 'Q.850;cause=16;text="NORMAL_CLEARING"'
    assert [reason(phone.messages(), "BYE") for phone in (a, b, other_a)] == [why] * 3
    assert reason(other_b.messages(), "CANCEL") == why
    assert sorted(delivery.state for delivery in told) == sorted(
        ["ringing", "answered", "ringing", *["hangup", "cdr"] * 2]
    )
    assert receiver.received.empty()
    (record,), (other,) = found[talking], found[ringing]
    assert (record["result"], record["ended_by"]) == ("success", "api")
    assert (other["result"], other["ended_by"], other["reason"]) == ("error", "api", "the service is shutting down")
    for one in (record, other):
        assert all(leg(one, name)["ended_at"] for name in "ab")


async def test_drain_by_request_waits_for_the_last_call(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        server = phones.server(tmp_path, grace=0.0)
        server.config.write_text(f'{server.config.read_text()}\n[control]\nadmin_token = "{TOKEN}"\n')
        async with server:
            document, _ = await bridged(server)
            assert server.session
            async with server.session.post("/drain", headers={"Authorization": f"Bearer {TOKEN}"}) as reply:
                assert (reply.status, await reply.json()) == (202, {"status": "draining", "calls": 1})
            assert await drains(server)
            await server.request("GET", f"{CLICKS.format(server.account, document)}/connect?contact=2002", 503)
            phones.b.tell(signal.SIGTERM)
            assert await exit_code(server) == 0
        (record,) = await records(server, document)
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_signal_cuts_a_drain_short(tmp_path: Path) -> None:
    async with TwoPhones() as phones:
        server = phones.server(tmp_path, grace=0.0)
        server.config.write_text(f'{server.config.read_text()}\n[control]\nadmin_token = "{TOKEN}"\n')
        async with server:
            document, _ = await bridged(server)
            assert server.session
            async with server.session.post("/drain", headers={"Authorization": f"Bearer {TOKEN}"}) as reply:
                assert reply.status == 202
            await server.stop()
        (record,) = await records(server, document)
    assert (record["result"], record["ended_by"]) == ("success", "api")


async def test_who_is_idle_drains_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path, {}, calls={"grace": 3600.0})
    async with server:
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        assert await exit_code(server) == 0
