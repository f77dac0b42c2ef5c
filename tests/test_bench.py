"""`python -m tests.bench`: that every part of it still works. What it finds is of no interest here."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.bench import search
from tests.bench.__main__ import lines
from tests.bench.board import Board, Goal, Row, as_line, from_line
from tests.bench.calls import Sipp
from tests.bench.parts import PARTS
from tests.bench.processes import LOAD_CORE

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 400


async def bench(*words: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            # It ends what it has started, which a SIGKILL would leave behind.
            process.terminate()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


async def test_every_part_works() -> None:
    code, out, err = await bench("--tiny", "--json")
    rows = msgspec.convert(json.loads(out)["rows"], list[Row])
    failed = [row for row in rows if row.failed]
    assert (code, failed) == (0, []), err
    assert {row.part for row in rows} == set(PARTS)
    for row in rows:
        assert row.value is not None or row.part in ("sippy", "forms"), row
    names = [row.what for row in rows]
    assert len(set(names)) == len(names)


async def test_a_part_that_cannot_be_measured_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because there is no sipp: the part says so, the others go on, the exit code tells."""
    (tmp_path / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, _ = await bench("--tiny", "--only", "controllers,wire")
    rows = [line for line in out.splitlines() if line.startswith("| ")][1:]
    assert code == 1
    what = "all of controllers, or what is missing of it"
    assert rows[0] == f"| {what} (failed: FileNotFoundError: sipp is not installed) | – |  |  |  |"
    assert rows[-1].startswith("| UDP echo of 900 bytes, our transport, by CPU | ")


async def test_stopped_it_leaves_nothing_behind(tmp_path: Path) -> None:
    mark = f"{tmp_path}/"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "--only", "overload"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        while not any(" serve " in words for words in running(mark)):  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.02)
    assert len(running(mark)) == 4  # the part, the server, two phones
    process.terminate()
    assert await process.wait() == 128 + signal.SIGTERM
    assert running(mark) == []


def running(mark: str) -> list[str]:
    """Command lines of the processes that have this in them, or in the name of their folder."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and path.name != str(os.getpid()):
            try:
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                folder = (path / "cwd").readlink()
            except OSError:
                continue
            if mark in words or mark in f"{folder}/":
                found.append(words)
    return found


async def test_a_phone_that_ends_is_no_phone(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^ended with \d+ before it listened"):
        async with Sipp("a_answers_many", tmp_path, LOAD_CORE, "-no_such_option"):
            pass
    with pytest.raises(RuntimeError, match=r"^SIPp ended by itself, with "):
        async with Sipp("a_answers_many", tmp_path, LOAD_CORE) as phone:
            os.kill(phone.pid, signal.SIGTERM)
            await phone.process.process.wait()


class Run:
    """Kept up to a capacity."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = rate
        self.is_kept = rate <= capacity


@pytest.mark.parametrize(("start", "capacity"), [(100, 1000), (100, 130), (900, 1000), (5000, 1000), (1000, 1000)])
async def test_the_search_ends_close_below_what_is_carried(start: float, capacity: float) -> None:
    async def attempt(rate: float) -> Run:
        return Run(rate, capacity)

    best, runs = await search.highest(attempt, start, 20)
    assert best is not None
    assert capacity / search.CLOSE <= best.rate <= capacity
    assert len(runs) < 14


async def test_the_search_gives_up() -> None:
    async def attempt(rate: float) -> Run:
        return Run(rate, 0)

    assert (await search.highest(attempt, 1000, 4))[0] is None
    best, runs = await search.highest(attempt, 20, 100)
    assert best is None
    assert len(runs) == 3


def test_rows() -> None:
    rows: list[Row] = []
    board = Board("core", rows.append)
    board.tell("parse", 104_321.4, "/s", 5)
    board.tell("connect", 2343.2, "/s", 3, ratio=0.61, rival="echo", goal=Goal("≥", 0.6, "ratio"), note="a | b")
    board.tell("a call", 0.412, "ms", goal=Goal("≤", 0.38))
    board.miss("sippy", "it is not installed", Goal("≥", 8, "ratio"))
    board.fail("held", "12 failed", Goal("≥", 2500))
    assert [row.markdown() for row in rows] == [
        "| parse | 104 321 /s | 5 |  |  |",
        "| connect (a / b) | 2 343 /s | 3 | 0.610 × echo | ≥ 0.6 ×: met |",
        "| a call | 0.412 ms | 1 |  | ≤ 0.38: **missed** |",
        "| sippy (not measured: it is not installed) | – |  |  | ≥ 8 × |",
        "| held (failed: 12 failed) | – |  |  | ≥ 2 500: **missed** |",
    ]
    assert board.known("parse") == 104_321.4
    assert Board("calls", rows.append, rows).known("a call") == 0.412
    assert board.known("nothing") is None
    for row in rows:
        assert from_line(as_line(row).encode()) == row
    assert from_line(b"2026-11-21 [warning  ] calls taken over") is None


def test_what_never_comes_is_not_waited_for() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"one\ntw")
        told = lines(reading, time.monotonic() + 0.05)
        assert next(told) == b"one"
        with pytest.raises(TimeoutError):
            next(told)
    finally:
        os.close(reading)
        os.close(writing)
