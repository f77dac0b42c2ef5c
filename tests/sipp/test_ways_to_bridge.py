"""Delayed offers, REFER both ways: the real server between SIPp phones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .server import Server
from .sipp import Sipp
from .stage import Stage, leg, legs

StageMaker = Callable[..., Stage]


async def test_a_makes_the_offer(stage: StageMaker) -> None:
    """RFC 3725 flow I."""
    async with stage(a="a_makes_offer", b="b_hangs_up", offer="none") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert record["bridged_at"]


async def test_b_makes_the_offer(tmp_path: Path) -> None:
    """A is offered ours, B makes its own, and A's answer to that goes into B's ACK."""
    async with Sipp("a_answers", tmp_path / "a") as a, Sipp("b_makes_offer", tmp_path / "b") as b:
        server = Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri})
        with server.config.open("a") as config:
            config.write('offer = "none"\n')  # of the last extension
        async with server:
            document = await server.create("2001")
            call_id = (await server.connect(document, "2002"))["call_id"]
            await a.passed()
            await b.passed()
            record = await server.ended(document, call_id)
            await server.nothing_lives()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])


async def test_a_calls_b_itself(stage: StageMaker) -> None:
    async with stage(a="a_is_referred", bridge="refer") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "a", ["a", "b"])
    b = leg(record, "b")
    assert (b["sip_code"], b["call_id"], b["target"]) == (200, "", "2002")
    assert b["ringing_at"] < b["answered_at"]


async def test_a_calls_b_itself_who_is_busy(stage: StageMaker) -> None:
    async with stage(a="a_is_referred_in_vain", bridge="refer") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["cause"], record["ended_by"]) == ("error", "USER_BUSY", "b")
    assert leg(record, "b")["sip_code"] == 486


@pytest.mark.parametrize("a", ["a_refuses_refer", "a_ignores_refer", "a_answers"])
async def test_a_that_does_not_take_refer_is_joined(stage: StageMaker, a: str) -> None:
    async with stage(a=a, b="b_hangs_up", bridge="refer") as play:
        await play.connect()
        record = await play.outcome()
    assert (record["result"], record["ended_by"], legs(record)) == ("success", "b", ["a", "b"])
    assert leg(record, "b")["call_id"]


async def test_b_hands_the_call_over(tmp_path: Path) -> None:
    async with (
        Sipp("a_is_handed_over", tmp_path / "a") as a,
        Sipp("b_hands_over", tmp_path / "b") as b,
        Sipp("b_hangs_up", tmp_path / "c") as c,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri, "2003": c.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        for phone in (a, b, c):
            await phone.passed()
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", "b")
    assert (leg(record, "b")["target"], leg(record, "b")["sip_code"]) == ("2003", 200)


async def test_b_may_not_hand_over_to_just_anybody(tmp_path: Path) -> None:
    """2003 is there, but the whitelist of the click-to-call does not let it through; the call goes on until B hangs up."""
    async with (
        Sipp("a_answers", tmp_path / "a") as a,
        Sipp("b_may_not_hand_over", tmp_path / "b") as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri, "2003": a.uri}) as server,
    ):
        document = await server.create("2001", whitelist=["^2002$"])
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.passed()
        await b.passed()
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"], leg(record, "b")["target"]) == ("success", "b", "2002")
