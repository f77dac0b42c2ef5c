"""A nameserver on loopback: Debian's dnsmasq with the records of a test."""

from __future__ import annotations

import asyncio
import getpass
import shutil
from typing import Self

from tests.sipp.ports import LOOPBACK, free_port

PATIENCE = 10.0


class NameServer:
    """Serves `records`, dnsmasq's options without the dashes; knows nothing else of `.example`.

    `async with NameServer("host-record=a.example,192.0.2.1,60")` waits until it answers.
    """

    def __init__(self, *records: str) -> None:
        self.records = records
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None
        self.log: list[str] = []
        self.reading: asyncio.Task[None] | None = None
        self.started = asyncio.Event()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        binary = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert binary, "dnsmasq is not installed (Debian: dnsmasq-base)"
        options = [
            *("keep-in-foreground", "conf-file=/dev/null", "no-resolv", "no-hosts", "bind-interfaces", "pid-file="),
            *(f"user={getpass.getuser()}", f"listen-address={LOOPBACK}", f"port={self.port}"),
            *("local=/example/", "log-queries", "log-facility=-", *self.records),
        ]
        self.process = await asyncio.create_subprocess_exec(
            binary, *(f"--{option}" for option in options), stderr=asyncio.subprocess.PIPE
        )
        self.reading = asyncio.ensure_future(self.read())
        async with asyncio.timeout(PATIENCE):
            await self.started.wait()
        assert self.process.returncode is None, self.log
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.process is not None and self.reading is not None
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        await self.reading

    async def read(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode().rstrip())
            if "started, version" in self.log[-1]:
                self.started.set()
        self.started.set()

    def asked(self) -> list[str]:
        """`SRV _sip._udp.example` for each question so far."""
        lines = [line.partition("query[")[2] for line in self.log if "query[" in line]
        return [f"{line.partition(']')[0]} {line.split()[1]}" for line in lines]
