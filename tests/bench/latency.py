"""REST to wire: from the moment a connect is given to the server's socket to the moment the first INVITE leaves it.

The client's clock is read just before its `send`, the INVITE has the time at which the kernel delivered it: how soon this
process itself is woken does not count. The phone answers 486. Meanwhile ordinary calls go through the server.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from pathlib import Path
from statistics import quantiles

from tests.bench.calls import Outcome, Stage
from tests.sipp.ports import LOOPBACK
from tests.sipp.server import Server

PROBES_PER_SECOND = 50
AHEAD = 1.5
"""Seconds that the ordinary calls have to themselves first."""
TIMESTAMPNS = 35
"""SO_TIMESTAMPNS of socket(7)."""
SPACE = socket.CMSG_SPACE(16)
MARK = re.compile(rb"\r\nX-Probe: *(\d+)")
HEAD = re.compile(rb"(?im)^(?:via|from|call-id|cseq): .*$")
TO = re.compile(rb"(?im)^to: .*$")


class BusyPhone:
    """Notes when each INVITE came, in nanoseconds, and refuses it."""

    def __init__(self) -> None:
        self.came: dict[int, int] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.socket.bind((LOOPBACK, 0))
        self.uri = f"sip:busy@{LOOPBACK}:{self.socket.getsockname()[1]}"
        asyncio.get_running_loop().add_reader(self.socket, self.read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def read(self) -> None:
        data, notes, _, address = self.socket.recvmsg(65536, SPACE)
        if not data.startswith(b"INVITE"):
            return
        seconds, nanoseconds = struct.unpack("ll", notes[0][2])
        if found := MARK.search(data):
            self.came.setdefault(int(found[1]), seconds * 1_000_000_000 + nanoseconds)
        to = TO.search(data)
        assert to
        lines = [b"SIP/2.0 486 Busy Here", *HEAD.findall(data), to[0].rstrip() + b";tag=busy", b"Content-Length: 0"]
        self.socket.sendto(b"\r\n".join([line.rstrip(b"\r") for line in lines]) + b"\r\n\r\n", address)


class Probes:
    """Connects, each of a click-to-call whose header names it; `sent` in nanoseconds, without those that were refused."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests: list[bytes] = []
        self.sent: dict[int, int] = {}
        self.idle: list[socket.socket] = []

    async def prepare(self, number: int, extension: str) -> None:
        for one in range(number):
            document = await self.server.create(extension, custom_sip_headers={"X-Probe": str(one)})
            path = f"/v2/accounts/{self.server.account}/clicktocall/{document}/connect?auto_answer=false"
            body = b'{"data":{"contact":"2002"}}'
            head = f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nX-Auth-Token: {self.server.token}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.requests.append(head.encode() + body)

    async def one(self, number: int, at: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, at - loop.time()))
        if self.idle:
            end = self.idle.pop()
        else:
            end = socket.socket()
            end.setblocking(False)
            await loop.sock_connect(end, (LOOPBACK, self.server.http_port))
        self.sent[number] = time.time_ns()
        end.send(self.requests[number])
        answer = await loop.sock_recv(end, 65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            del self.sent[number]
        self.idle.append(end)

    async def run(self) -> None:
        started = asyncio.get_running_loop().time() + 0.1
        await asyncio.gather(
            *(self.one(number, started + number / PROBES_PER_SECOND) for number in range(len(self.requests)))
        )

    def close(self) -> None:
        for end in self.idle:
            end.close()


def percentiles(values: list[float]) -> tuple[float, float]:
    """The middle one, and the one that 99 % do not exceed."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


async def at(directory: Path, rate: float, seconds: float = 10.0) -> tuple[list[float], Outcome]:
    """Milliseconds of probes beside ordinary calls at `rate`, the server on one core; and what became of those calls."""
    phone = BusyPhone()
    try:
        async with Stage(directory, more=(phone.uri,)) as stage:
            probes = Probes(stage.server)
            await probes.prepare(max(2, int(PROBES_PER_SECOND * seconds)), "2003")
            calls = asyncio.create_task(stage.run(rate, seconds + 2 * AHEAD, give_up=False))
            try:
                await asyncio.sleep(AHEAD)
                await probes.run()
                async with asyncio.timeout(10):
                    while len(phone.came) < len(probes.sent):  # noqa: ASYNC110 (a datagram more)
                        await asyncio.sleep(0.02)
                outcome = await calls
            finally:
                calls.cancel()
                probes.close()
            found = [(phone.came[number] - sent) / 1e6 for number, sent in probes.sent.items()]
            return found, outcome
    finally:
        phone.close()
