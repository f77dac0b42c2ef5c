"""A phone with habits of its own, pyVoIP, as the called party of a baresip."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.sipp.server import Server
from tests.sipp.stage import leg, legs

from .baresip import Baresip
from .pyvoip import PyVoIP

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("audioop") is None, reason="pyVoIP 1.6.8 needs audioop, which Python 3.13 dropped"
)


@pytest.mark.parametrize("leaver", ["a", "b"])
async def test_pyvoip_is_called(tmp_path: Path, leaver: str) -> None:
    async with (
        Baresip("extension", 440, tmp_path / "a", held_first=True) as a,
        PyVoIP(tmp_path / "b", plays=880, listens=440) as b,
        Server(tmp_path / "server", {"2001": a.uri, "2002": b.uri}) as server,
    ):
        await b.start(server.sip_port)
        document = await server.create("2001")
        call_id = (await server.connect(document, "2002"))["call_id"]
        await b.says("answered")
        await b.says("heard")
        await a.hears(880)
        if leaver == "a":
            await a.command("hangup")
        else:
            await b.hang_up()
        await b.says("ended")
        await a.happened("CALL_CLOSED")
        record = await server.ended(document, call_id)
        await server.nothing_lives()
    assert (record["result"], record["ended_by"]) == ("success", leaver)
    assert legs(record) == ["a", "b"]
    assert all(leg(record, name)["sip_code"] == 200 for name in "ab")
