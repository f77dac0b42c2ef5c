"""`c2c` run as a user runs it: its own process, its lines as they come, its exit code."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import pytest

PATIENCE = 20
"""Seconds any single thing may take."""
C2C = (sys.executable, "-m", "c2c_b2bua")


class Outcome(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


class Command:
    """A running process; `async with` kills what still runs at the end, and shows its output when the test failed."""

    def __init__(self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self.words = words
        self.cwd = cwd
        self.env = {**os.environ, "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **(env or {})}
        self.out: list[str] = []
        self.err: list[str] = []
        self.news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *self.words,
            cwd=self.cwd,
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.readers = [
            asyncio.create_task(self.read(self.process.stdout, self.out)),
            asyncio.create_task(self.read(self.process.stderr, self.err)),
        ]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        assert self.process.stdin
        self.process.stdin.close()
        await self.process.wait()
        await asyncio.gather(*self.readers)
        if kind is not None:
            print(f"=== {' '.join(self.words)}\n{self.shown()}")

    async def read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream
        while line := await stream.readline():
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
            self.news.set()

    async def write(self, text: str) -> None:
        """Give it something to read."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        await self.process.stdin.drain()

    async def says(self, pattern: str, times: int = 1) -> str:
        """Wait until it has printed lines in which `pattern` is found; the last of them."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self.news.clear()
                    found = [line for line in [*self.out, *self.err] if re.search(pattern, line)]
                    if len(found) >= times:
                        return found[-1]
                    if all(reader.done() for reader in self.readers):
                        break
                    waiting = asyncio.create_task(self.news.wait())
                    await asyncio.wait([waiting, *self.readers], return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
        except TimeoutError:
            pass
        pytest.fail(f"{' '.join(self.words)} does not say {pattern!r}\n{self.shown()}")

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> Outcome:
        """Wait until it ends by itself."""
        try:
            async with asyncio.timeout(PATIENCE):
                code = await self.process.wait()
                await asyncio.gather(*self.readers)
        except TimeoutError:
            pytest.fail(f"{' '.join(self.words)} does not end\n{self.shown()}")
        return Outcome(code, "\n".join(self.out), "\n".join(self.err))

    def shown(self) -> str:
        return "\n".join([*self.out, "--- standard error", *self.err])


def c2c(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Command:
    """`c2c` with these arguments."""
    return Command(*C2C, *words, cwd=cwd, env=env)


async def run(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Outcome:
    """`c2c` with these arguments, to its end."""
    async with c2c(*words, cwd=cwd, env=env) as command:
        return await command.ended()
