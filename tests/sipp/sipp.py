"""One SIPp process playing one scenario: started, waited for, and shown when it failed."""

from __future__ import annotations

import asyncio
import datetime
import re
import shutil
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from .ports import LOOPBACK, free_port, is_bound

SCENARIOS = Path(__file__).resolve().parents[2] / "sipp_scenarios"
LIFETIME = 60
"""Seconds until SIPp gives up by itself."""
PORT_TAKEN = 254
ENTRY = re.compile(r"-{40,} (\d{4}-\d\d-\d\d [\d:.]+)\n")
SEEN = re.compile(r"\w+ message (sent|received)[^\n]*\n\n?(.*)", re.S)


class Message(NamedTuple):
    """What SIPp saw on the wire."""

    at: datetime.datetime
    sent: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].strip()

    def header(self, name: str) -> str:
        """The first value of a header; empty when there is none."""
        found = re.search(rf"^{name}\s*:\s*(.*?)\s*$", self.text, re.M | re.I)
        return found[1] if found else ""


class Sipp:
    """A scenario being played at `port` for `calls` calls; `options` go to SIPp as they are.

    `async with Sipp(...)` waits until it listens and, at the end, stops what still runs.
    """

    def __init__(self, scenario: str, directory: Path, *options: str, calls: int = 1, transport: str = "udp") -> None:
        self.scenario = scenario
        self.file = SCENARIOS / f"{scenario}.xml"
        self.directory = directory
        self.options = options
        self.calls = calls
        self.transport = transport
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        assert self.file.is_file(), f"no scenario {self.file}"
        for _ in range(3):
            await self.start()
            if await self.listens():
                return self
        pytest.fail(f"SIPp does not start\n{self.trace()}")

    async def __aexit__(self, *_: object) -> None:
        if self.process and self.process.returncode is None:
            self.process.kill()
        if self.process:
            await self.process.wait()

    @property
    def uri(self) -> str:
        """Where this phone is called."""
        return f"sip:{self.scenario}@{LOOPBACK}:{self.port}" + (";transport=tcp" if self.transport == "tcp" else "")

    async def start(self) -> None:
        binary = shutil.which("sipp")
        assert binary, "SIPp is not installed (Debian: sip-tester)"
        self.port = free_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        command: list[str] = [
            binary,
            "-sf",
            str(self.file),
            "-i",
            LOOPBACK,
            "-p",
            str(self.port),
            "-m",
            str(self.calls),
        ]
        command += ["-nostdin", "-cp", str(free_port()), "-t", "t1" if self.transport == "tcp" else "u1"]
        command += ["-timeout", f"{LIFETIME}s", "-timeout_error"]
        command += ["-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"]
        with (self.directory / "screen.log").open("wb") as screen:
            self.process = await asyncio.create_subprocess_exec(
                *command,
                *self.options,
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
            )

    async def listens(self) -> bool:
        """True once the port is bound; False when it was taken by somebody else, to be tried again with another."""
        assert self.process
        async with asyncio.timeout(10):
            while self.process.returncode is None:
                if is_bound(self.port, self.transport):
                    return True
                await asyncio.sleep(0.01)
        if self.process.returncode != PORT_TAKEN:
            pytest.fail(f"SIPp ended at once with {self.process.returncode}\n{self.trace()}")
        return False

    async def passed(self, seconds: float = LIFETIME) -> None:
        """Wait for its end; it has to be a good one."""
        assert self.process
        try:
            async with asyncio.timeout(seconds):
                code = await self.process.wait()
        except TimeoutError:
            pytest.fail(f"{self.scenario} still waits for something after {seconds} s\n{self.trace()}")
        if code:
            pytest.fail(f"{self.scenario} failed with {code}\n{self.trace()}")

    def messages(self) -> list[Message]:
        """What was sent and received so far, in order; without those it lost on purpose when sending."""
        # Read once: SIPp goes on writing.
        pieces = ENTRY.split(self.read("messages.log"))
        return [
            Message(datetime.datetime.fromisoformat(at), seen[1] == "sent", seen[2])
            for at, entry in zip(pieces[1::2], pieces[2::2], strict=True)
            if (seen := SEEN.match(entry))
        ]

    def read(self, name: str) -> str:
        path = self.directory / name
        return path.read_text(errors="replace").replace("\r\n", "\n") if path.exists() else ""

    def trace(self) -> str:
        """All that is known, for the report of a failure."""
        screen = self.read("screen.log")
        return "\n".join(
            [
                f"=== {self.scenario}: errors",
                self.read("errors.log") or screen[-2000:],
                f"=== {self.scenario}: messages",
                self.read("messages.log"),
            ]
        )
