"""The real server is killed at every step of the ladder, SIPp on both ends: what talks goes on, what rings is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from c2c_b2bua.call.takeover import LOST

from .server import PATIENCE, TICK, Server
from .sipp import Sipp
from .stage import A_NUMBER, B_NUMBER, Stage, leg

StageOf = Callable[..., Stage]


async def seen(phone: Sipp | None, line: str, times: int = 1) -> None:
    """A message that begins like this has passed a phone so many times."""
    assert phone
    async with asyncio.timeout(PATIENCE):
        while sum(message.first_line.startswith(line) for message in phone.messages()) < times:  # noqa: ASYNC110
            await asyncio.sleep(TICK / 4)


async def reached(play: Stage, state: str) -> None:
    """The service knows that the call has come this far."""
    path = f"/v2/accounts/{play.server.account}/clicktocall/{play.document}/calls/{play.call_id}"
    async with asyncio.timeout(PATIENCE):
        while (await play.server.request("GET", path, 200))["data"]["state"] != state:  # noqa: ASYNC110
            await asyncio.sleep(TICK / 4)


async def hang_up(play: Stage) -> None:
    path = f"/v2/accounts/{play.server.account}/clicktocall/{play.document}/calls/{play.call_id}"
    await play.server.request("DELETE", path, 200)


async def reborn(server: Server) -> None:
    await server.kill()
    await server.start()


@pytest.mark.parametrize(
    ("a", "b", "who"),
    [("a_answers", "b_hangs_up", "b"), ("a_hangs_up", "b_answers", "a"), ("a_is_held", "b_holds_and_resumes", "b")],
)
async def test_a_talking_call_goes_on(stage: StageOf, a: str, b: str, who: str) -> None:
    async with stage(a=a, b=b) as play:
        await play.connect()
        await seen(play.a, "ACK", 2)
        await reborn(play.server)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", who)
    assert leg(record, "a")["answered_at"] <= leg(record, "b")["answered_at"]
    assert (leg(record, "a")["sip_code"], leg(record, "b")["sip_code"]) == (200, 200)


async def test_the_api_ends_a_call_that_was_taken_over(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_answers") as play:
        await play.connect()
        await reached(play, "bridged")
        for _ in range(3):
            await reborn(play.server)
            await reached(play, "bridged")
        await hang_up(play)
        record = await play.outcome()
        left = [path.name for path in (play.directory / "server").iterdir() if ".calls" in path.name]
    assert (record["result"], record["ended_by"]) == ("success", "api")
    others = [f"c2c.db.calls.worker{number}" for number in range(1, Server.workers)]
    assert sorted(left) == ["c2c.db.calls", *others]


async def test_a_call_that_is_being_joined_is_joined(stage: StageOf) -> None:
    async with stage(a="a_joins_late", b="b_answers") as play:
        await play.connect()
        await seen(play.a, "INVITE", 2)
        await reborn(play.server)
        await reached(play, "bridged")
        await hang_up(play)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "api")


@pytest.mark.parametrize(("b", "ringing"), [("", "a"), ("b_never_answers", "b")])
async def test_what_rings_is_cancelled_and_the_call_is_lost(stage: StageOf, b: str, ringing: str) -> None:
    async with stage(a="a_is_released" if b else "a_never_answers", b=b, ring_timeout=20.0) as play:
        await play.connect()
        await reached(play, f"ringing_{ringing}")
        await reborn(play.server)
        record = await play.outcome()
    assert (record["result"], record["ended_by"], record["cause"]) == ("error", "error", LOST.cause)
    assert record["reason"] == LOST.text
    assert leg(record, ringing)["ringing_at"] is not None
    assert (leg(record, ringing)["sip_code"], leg(record, ringing)["answered_at"]) == (487, None)


async def test_a_phone_that_has_said_nothing_yet_is_cancelled(stage: StageOf) -> None:
    async with stage(a="a_is_cancelled_unheard", ring_timeout=20.0) as play:
        await play.connect()
        await seen(play.a, "INVITE")
        await reborn(play.server)
        record = await play.outcome()
    assert (record["result"], record["ended_by"], record["cause"]) == ("error", "error", LOST.cause)
    assert (leg(record, "a")["ringing_at"], leg(record, "a")["sip_code"]) == (None, 487)


async def test_a_phone_that_has_not_answered_our_bye_is_hung_up_again(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_is_hung_up_again") as play:
        await play.connect()
        await reached(play, "bridged")
        await hang_up(play)
        await seen(play.b, "BYE")
        await reborn(play.server)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "api")


async def test_a_200_whose_ack_was_lost_is_acknowledged_by_the_next_process(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_ack_lost_once") as play:
        await play.connect()
        await seen(play.a, "INVITE", 2)
        await reborn(play.server)
        await seen(play.b, "ACK", 2)
        await hang_up(play)
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "api")


async def test_a_bye_that_comes_while_nobody_listens(stage: StageOf) -> None:
    async with stage(a="a_answers", b="b_hangs_up") as play:
        await play.connect()
        await seen(play.a, "ACK", 2)
        await play.server.kill()
        await seen(play.b, "BYE")
        await play.server.start()
        record = await play.outcome()
    assert (record["result"], record["ended_by"]) == ("success", "b")


async def test_a_connect_that_was_accepted_is_neither_forgotten_nor_dialled_twice(tmp_path: Path) -> None:
    async with (
        Sipp("a_never_answers", tmp_path / "a") as a,
        Server(tmp_path / "server", {A_NUMBER: a.uri, B_NUMBER: "sip:nobody@127.0.0.1:9"}) as server,
    ):
        document = await server.create(A_NUMBER)
        first = await connect(server, document)
        await reborn(server)
        again = await connect(server, document)
        assert again == first
        await a.passed()
        record = await server.ended(document, str(first["call_id"]))
        assert len(await server.history(document)) == 1
    assert record["cause"] == LOST.cause
    assert sum(message.first_line.startswith("INVITE") for message in a.messages()) == 1


async def connect(server: Server, document: str) -> dict[str, object]:
    """With an idempotency key, always the same one."""
    assert server.session
    path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect"
    headers = {"X-Auth-Token": server.token, "Idempotency-Key": "once"}
    async with server.session.post(path, json={"data": {"contact": B_NUMBER}}, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        return dict((await reply.json())["data"])
