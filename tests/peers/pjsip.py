"""The PJSIP phone as a process of its own, so that its threads and its C are its own too; its log shows the wire."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from tests.command import Command
from tests.sipp.ports import LOOPBACK, free_port

from .tone import is_heard, read_wav

PATIENCE = 15
"""Seconds any single thing may take."""
ROOT = Path(__file__).resolve().parents[2]
MESSAGE = re.compile(r"(TX|RX) \d+ bytes (?:Request|Response) msg \S+ .*?:\n(.*?)\n--end msg--", re.S)


class Message(NamedTuple):
    """What went over the wire."""

    sent: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]

    def header(self, name: str) -> str:
        """The first value of a header; empty when there is none."""
        found = re.search(rf"^{name}\s*:\s*(.*?)\s*$", self.text, re.M | re.I)
        return found[1] if found else ""

    @property
    def media(self) -> str:
        """Where its SDP wants sound: the m= line."""
        return self.text.partition("\nm=")[2].partition("\n")[0]

    @property
    def direction(self) -> str:
        """Of the media in its SDP; empty without one."""
        found = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", self.text, re.M)
        return found[1] if found else ""


class PjSip(Command):
    """One phone: `uri` is where it is called, `plays` its tone in Hz.

    It rings, then says `then`: 200, or 183 for early media until it is told to `answer`. `shortest_session`: seconds that
    a session has to last at least. With `registrar` (`sip:host:port`) it registers there as `user`@acme.example.com, with
    `password`; over TLS it believes `ca`.
    """

    def __init__(
        self,
        directory: Path,
        user: str = "pjsip",
        plays: float = 880,
        transport: str = "udp",
        host: str = LOOPBACK,
        prefix: tuple[str, ...] = (),
        registrar: str = "",
        **more: Any,
    ) -> None:
        self.directory = directory
        self.port = free_port(2)
        suffix = "" if transport == "udp" else f";transport={transport}"
        self.uri = f"sip:{user}@{host}:{self.port}{suffix}"
        settings = {
            "user": user,
            "host": host,
            "port": self.port,
            "transport": transport,
            "plays": plays,
            "registrar": registrar and registrar + suffix,
            "domain": "acme.example.com" if registrar else "",
            "password": "",
            "ca": "",
            "shortest_session": 90,
            "then": 200,
            **more,
        }
        super().__init__(
            *(*prefix, sys.executable, "-m", "tests.peers.pjsip_phone", json.dumps(settings)),
            cwd=directory,
            env={"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))},
        )

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True)
        await super().__aenter__()
        await self.says("^ready$")
        return self

    async def does(self, command: str) -> None:
        """`answer`, `hold`, `resume`, `move` (to other ports), `update`, `info` or `hangup`."""
        await self.write(f"{command}\n")

    async def hears(self, frequency: float) -> None:
        """Wait until this tone is in what it heard."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_heard(read_wav(self.directory / "heard.wav"), frequency):  # noqa: ASYNC110 (a file)
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"PJSIP does not hear {frequency} Hz\n{self.shown()}")

    def messages(self, start: str = "") -> list[Message]:
        """What it sent and got so far, in order; only that whose first line begins so."""
        text = (self.directory / "pjsip.log").read_text(errors="replace").replace("\r\n", "\n")
        found = [Message(way == "TX", message) for way, message in MESSAGE.findall(text)]
        return [message for message in found if message.first_line.startswith(start)]

    def shown(self) -> str:
        log = self.directory / "pjsip.log"
        return f"{super().shown()}\n{log.read_text(errors='replace')[-6000:] if log.exists() else ''}"
