"""The pyVoIP phone as a process of its own, so that its threads, warnings and waits are its own too."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Self

import pytest

from tests.sipp.ports import LOOPBACK, free_port

PATIENCE = 15
"""Seconds any single thing may take."""
ROOT = Path(__file__).resolve().parents[2]


class PyVoIP:
    """`uri` is where it is called; `server` is the port of the SIP server it sends its responses to."""

    def __init__(self, directory: Path, plays: float, listens: float) -> None:
        self.directory = directory
        self.plays = plays
        self.listens = listens
        self.port = free_port()
        self.said: list[str] = []
        self.process: asyncio.subprocess.Process | None = None

    @property
    def uri(self) -> str:
        return f"sip:pyvoip@{LOOPBACK}:{self.port}"

    async def start(self, server_port: int) -> Self:
        """Start it; it can be called when this returns."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = ["--server", f"{LOOPBACK}:{server_port}", "--listen", f"{LOOPBACK}:{self.port}"]
        options += ["--plays", str(self.plays), "--listens", str(self.listens)]
        with (self.directory / "errors.log").open("wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.peers.pyvoip_phone", *options),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        await self.says("ready")
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.process:
            return
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def says(self, what: str) -> None:
        """Wait until it has said this."""
        assert self.process
        assert self.process.stdout
        try:
            async with asyncio.timeout(PATIENCE):
                while what not in self.said:
                    line = await self.process.stdout.readline()
                    if not line:
                        break
                    self.said.append(line.decode().strip())
        except TimeoutError:
            pass
        if what not in self.said:
            errors = (self.directory / "errors.log").read_text(errors="replace")
            pytest.fail(f"pyVoIP did not say {what!r}, only {self.said}\n{errors}")

    async def hang_up(self) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(b"hangup\n")
        await self.process.stdin.drain()
