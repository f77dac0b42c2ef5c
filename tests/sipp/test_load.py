"""`c2c load` against the real server, with SIPp phones behind it that take any number of calls."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command import Command, c2c, run
from tests.sipp.server import Server
from tests.sipp.sipp import Sipp

MANY = 100_000


class Stand:
    """The server, its phones 2001 and 2002, 2003 who is busy, and a click-to-call of 2001."""

    def __init__(self, server: Server, document: str) -> None:
        self.server = server
        self.document = document

    @property
    def words(self) -> list[str]:
        url = f"http://127.0.0.1:{self.server.http_port}"
        return ["load", self.document, "--url", url, "--api-key", self.server.api_key, "--wait", "15"]

    def load(self, *words: str) -> Command:
        return c2c(*self.words, *words)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(Sipp("a_answers_many", tmp_path / "a", calls=MANY))
        b = await stack.enter_async_context(Sipp("b_hangs_up_many", tmp_path / "b", "-d", "300", calls=MANY))
        busy = await stack.enter_async_context(Sipp("b_busy", tmp_path / "busy", calls=MANY))
        extensions = {"2001": a.uri, "2002": b.uri, "2003": busy.uri}
        server = await stack.enter_async_context(Server(tmp_path / "server", extensions))
        yield Stand(server, await server.create("2001"))


async def test_every_call_is_bridged(stand: Stand, tmp_path: Path) -> None:
    drawing = tmp_path / "load.svg"
    outcome = await run(*stand.words, "--contact", "2002", "--rate", "40", "--calls", "80", "--plot", str(drawing))
    assert outcome.code == 0, outcome
    lines = outcome.out.splitlines()
    assert lines[0].startswith("offered         80 in 2.0 s: ")
    assert lines[1].split() == ["accepted", "80"]
    assert lines[2].split()[:2] == ["bridged", "80"]
    assert lines[3].split() == ["failed", "0"]
    assert lines[4].startswith("connect   p50 ")
    title = ElementTree.parse(drawing).find("{http://www.w3.org/2000/svg}text")
    assert title is not None and title.text and title.text.endswith(": 80 of 80 bridged")


async def test_failures_by_cause(stand: Stand) -> None:
    words = ("--contact", "2002", "--contact", "2003", "--contact", "nobody", "--rate", "30", "--calls", "30")
    outcome = await run(*stand.words, *words)
    assert outcome.code == 1, outcome
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[2].startswith("bridged 10 ")
    assert lines[3] == "failed 20"
    assert "10 x USER_BUSY (486), ended by B" in lines
    assert any(line.startswith("10 x refused: 4") for line in lines), lines


async def test_a_throttle_refuses(stand: Stand) -> None:
    stand.document = await stand.server.create("2001", throttle=10)
    outcome = await run(*stand.words, "--contact", "2002", "--rate", "50", "--calls", "25")
    assert outcome.code == 1
    assert " x refused: 429 too_many_requests" in outcome.out


async def test_without_a_key_only_connects_are_known(stand: Stand) -> None:
    stand.document = await stand.server.create("2001", auth_required=False)
    words = [word for word in stand.words if word not in ("--api-key", stand.server.api_key)]
    outcome = await run(*words, "--account", stand.server.account, "--contact", "2002", "--rate", "50", "--calls", "10")
    assert outcome.code == 0, outcome
    assert "bridged" not in outcome.out
    assert outcome.out.endswith(
        "What became of the calls is in history, which is closed without an API key or a token."
    )


async def test_ctrl_c_ends_it_with_a_report(stand: Stand) -> None:
    async with stand.load("--contact", "2002", "--rate", "20", "--duration", "600") as command:
        await command.says("5 s .* offered")
        command.tell(signal.SIGINT)
        outcome = await command.ended()
    assert outcome.code == 130
    lines = [line.split() for line in outcome.out.splitlines()]
    offered, bridged = (next(int(words[1]) for words in lines if words[0] == name) for name in ("offered", "bridged"))
    assert offered == bridged >= 50
    await stand.server.nothing_lives(5)
