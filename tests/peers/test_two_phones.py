"""Two real phones, joined by the real server: each hears the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sipp.server import Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip


@pytest.mark.parametrize("leaver", ["a", "b"])
async def test_each_hears_the_other_until_one_hangs_up(tmp_path: Path, leaver: str) -> None:
    async with (
        Baresip("extension", 440, tmp_path / "a", held_first=True) as a,
        Baresip("contact", 880, tmp_path / "b") as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await a.hears(880)
        await b.hears(440)
        await {"a": a, "b": b}[leaver].command("hangup")
        await a.happened("CALL_CLOSED")
        await b.happened("CALL_CLOSED")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", leaver)
    assert legs(record) == ["a", "b"]
    for name in "ab":
        found = leg(record, name)
        assert (found["sip_code"], found["cause"]) == (200, "NORMAL_CLEARING")
        assert found["answered_at"]


async def test_the_phones_work_without_us(tmp_path: Path) -> None:
    """The control: one calls the other directly, and no phone hears its own tone."""
    async with Baresip("extension", 440, tmp_path / "a") as a, Baresip("contact", 880, tmp_path / "b") as b:
        await a.command("dial", b.uri)
        await b.happened("CALL_ESTABLISHED")
        await a.hears(880)
        await b.hears(440)
        assert not a.heard(440)
        assert not b.heard(880)
        await a.command("hangup")
        await b.happened("CALL_CLOSED")
