"""Bridged calls through the real server: REST in, durable history out, a SIPp phone on either side.

The server has one core, the two SIPp processes and this client the other (where there are two).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server

SCENARIOS = Path(__file__).resolve().parents[2] / "sipp_scenarios"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
CONNECTIONS = 32


class Outcome(NamedTuple):
    """One run: what was asked for, what came of it."""

    rate: float
    seconds: float
    accepted: int
    bridged: int
    failed: int
    cpu: float
    """Seconds of CPU of the server."""
    resident: int
    """Kilobytes of the server at the end."""


class SippUnderLoad:
    """One SIPp process that answers any number of calls."""

    def __init__(self, scenario: str, directory: Path, *options: str) -> None:
        self.scenario = scenario
        self.port = free_port()
        self.directory = directory
        self.options = options

    @property
    def uri(self) -> str:
        return f"sip:phone@{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", str(SCENARIOS / f"{self.scenario}.xml"), "-i", LOOPBACK, "-p", str(self.port)),
            *("-nostdin", "-l", "100000", "-buff_size", "4000000", *self.options),
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


class Client:
    """Posts connects over a few kept connections, as fast as a clock says."""

    def __init__(self, server: Server, path: str) -> None:
        body = b'{"data":{"contact":"2002"}}'
        self.request = (
            f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nX-Auth-Token: {server.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.port = server.http_port
        self.accepted = 0
        self.refused = 0

    async def run(self, rate: float, seconds: float) -> None:
        total = int(rate * seconds)
        started = time.perf_counter()
        taken = iter(range(total))

        async def post() -> None:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
            for number in taken:
                wait = started + number / rate - time.perf_counter()
                if wait > 0.001:
                    await asyncio.sleep(wait)
                writer.write(self.request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                if b" 200 " in head[:16]:
                    self.accepted += 1
                else:
                    self.refused += 1
            writer.close()

        await asyncio.gather(*(post() for _ in range(CONNECTIONS)))


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_of(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


async def metrics(server: Server) -> dict[str, float]:
    assert server.session
    async with server.session.get("/metrics") as reply:
        rows = [line.split() for line in (await reply.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


async def bridged_calls(directory: Path, rate: float, seconds: float) -> Outcome:
    """Offer `rate` connects a second for some seconds; wait until every call is over; count."""
    os.sched_setaffinity(0, {LOAD_CORE})
    a = SippUnderLoad("a_answers_many", directory)
    b = SippUnderLoad("b_hangs_up_many", directory, "-d", "500")
    server = Server(directory / "server", {"2001": a.uri, "2002": b.uri}, calls={"ring_timeout": 30.0})
    try:
        await a.start()
        await b.start()
        await server.start()
        assert server.process
        os.sched_setaffinity(server.process.pid, {SERVER_CORE})
        document = await server.create("2001")
        client = Client(server, f"/v2/accounts/{server.account}/clicktocall/{document}/connect?auto_answer=false")
        cpu_before = cpu_of(server.process.pid)
        started = time.perf_counter()
        await client.run(rate, seconds)
        took = time.perf_counter() - started
        async with asyncio.timeout(60):
            while (await metrics(server))["c2c_calls_active"]:  # noqa: ASYNC110 (the news is over HTTP)
                await asyncio.sleep(0.1)
        counted = await metrics(server)
        cpu = cpu_of(server.process.pid) - cpu_before
        resident = resident_of(server.process.pid)
        bridged = int(counted["c2c_calls_bridged_total"])
        await server.stop()
        failed = client.refused + client.accepted - bridged
        return Outcome(client.accepted / took, took, client.accepted, bridged, failed, cpu, resident)
    finally:
        await server.abandon()
        await a.stop()
        await b.stop()
        os.sched_setaffinity(0, set(CORES))
