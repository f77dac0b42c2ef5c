"""Bridged calls through the real server: REST in, durable history out, a SIPp phone on either side.

The server has one core, the two SIPp processes and this client the other (where there are two).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

from tests.bench.load import Load
from tests.sipp.ports import LOOPBACK, free_port
from tests.sipp.server import Server

SCENARIOS = Path(__file__).resolve().parents[2] / "sipp_scenarios"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


LAST_CALLS = 60
"""Seconds that calls get to end once no more are made."""


class Outcome(NamedTuple):
    """One run: what was asked for, what came of it."""

    rate: float
    seconds: float
    accepted: int
    bridged: int
    failed: int
    cpu: float
    """Seconds of CPU of the server, all its processes together."""
    resident: int
    """Kilobytes of the server at the end."""
    cpus: tuple[float, ...] = ()
    """Seconds of CPU of each process of the server, the one with HTTP first."""


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
        """On the cores that this process has now."""
        self.cores = os.sched_getaffinity(0)
        self.process = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", str(SCENARIOS / f"{self.scenario}.xml"), "-i", LOOPBACK, "-p", str(self.port)),
            *("-nostdin", "-l", "100000", "-buff_size", "4000000", *self.options),
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
        )

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processes_of(pid: int) -> list[int]:
    """The server's process, and its workers."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def resident_of(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


async def metrics(server: Server) -> dict[str, float]:
    assert server.session
    async with server.session.get("/metrics") as reply:
        rows = [line.split() for line in (await reply.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


async def bridged_calls(
    directory: Path, rate: float, seconds: float, kind: type[Server] = Server, pinned: bool = True
) -> Outcome:
    """Offer `rate` connects a second for some seconds; wait until every call is over; count.

    `pinned`: the server has one core and the load another; else all share all.
    """
    os.sched_setaffinity(0, {LOAD_CORE} if pinned else CORES)
    a = SippUnderLoad("a_answers_many", directory)
    b = SippUnderLoad("b_hangs_up_many", directory, "-d", "500")
    server = kind(directory / "server", {"2001": a.uri, "2002": b.uri}, calls={"ring_timeout": 30.0})
    try:
        await a.start()
        await b.start()
        await server.start()
        assert server.process
        processes = processes_of(server.process.pid)
        for process in processes:
            os.sched_setaffinity(process, {SERVER_CORE} if pinned else CORES)
        document = await server.create("2001")
        path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect?auto_answer=false"
        load = Load(server.http_port, path, server.token)
        cpu_before = [cpu_of(process) for process in processes]
        took = await load.at(rate, seconds)
        # Beyond what the server can do, SIPp's BYE may be lost as often as it is sent: such a call has failed too.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS):
                while (await metrics(server))["c2c_calls_active"]:  # noqa: ASYNC110 (the news is over HTTP)
                    await asyncio.sleep(0.1)
        counted = await metrics(server)
        cpus = tuple(cpu_of(process) - before for process, before in zip(processes, cpu_before, strict=True))
        resident = sum(map(resident_of, processes))
        bridged = int(counted["c2c_calls_bridged_total"])
        await server.stop()
        failed = load.refused + load.accepted - bridged + int(counted["c2c_calls_active"])
        return Outcome(load.accepted / took, took, load.accepted, bridged, failed, sum(cpus), resident, cpus)
    finally:
        await server.abandon()
        await a.stop()
        await b.stop()
        os.sched_setaffinity(0, set(CORES))


async def highest_rate(directory: Path, seconds: float = 8.0) -> tuple[float, list[Outcome]]:
    """The highest rate, in steps of a tenth, that is kept up without a failed call; and all runs on the way there."""
    outcomes: list[Outcome] = []
    rate, best = 400.0, 0.0
    while rate <= 10_000:
        outcome = await bridged_calls(directory / str(int(rate)), rate, seconds)
        outcomes.append(outcome)
        if outcome.failed:
            break
        best = max(best, outcome.rate)
        if outcome.rate < 0.97 * rate:
            # The machine may have been busy elsewhere: twice too slow is too slow.
            again = await bridged_calls(directory / f"{int(rate)}-again", rate, seconds)
            outcomes.append(again)
            if again.failed or again.rate < 0.97 * rate:
                break
        rate *= 1.15
    return best, outcomes
