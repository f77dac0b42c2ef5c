"""What others need for the same work, beside ours in one run: sippy's B2BUA (PyPI) and SIPp's own 3PCC controllers.

Each controls on one core, its phones are SIPp on the other. sippy joins an ordinary call through its two legs (14 messages);
SIPp's controllers make flow I of RFC 3725 (10 messages), with no timers but retransmission, no API and no records.
"""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.calls import LOAD_CORE, SERVER_CORE, cpu_of
from tests.sipp.ports import LOOPBACK, free_port, is_bound

SIPPY = Path(sys.prefix).parent / ".venv-sippy" / "bin" / "b2bua_simple"
"""`make bench` puts it there, in an environment of its own."""
ROUNDS = 8
STEP = 1.15


class Run(NamedTuple):
    """`cpu` in seconds, of the controller."""

    rate: float
    calls: int
    failed: int
    cpu: float


class Process:
    """One process on one core, killed at the end."""

    def __init__(self, core: int, directory: Path, *command: str) -> None:
        self.core = core
        self.directory = directory
        self.command = command

    async def __aenter__(self) -> asyncio.subprocess.Process:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        return self.process

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def sipp(scenario: str, port: int, *options: str) -> tuple[str, ...]:
    """One SIPp with a scenario that is built into it."""
    common = ("-i", LOOPBACK, "-p", str(port), "-nostdin", "-l", "100000", "-buff_size", "4000000", "-trace_stat")
    return ("sipp", "-sn", scenario, *common, "-stf", f"{scenario}.csv", *options)


def failures(directory: Path, scenario: str) -> int:
    """What SIPp counts as failed, by its last word."""
    with (directory / f"{scenario}.csv").open() as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return int(rows[-1]["FailedCall(C)"]) if rows else -1


async def wait_for(process: asyncio.subprocess.Process, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await process.wait()


async def sippy(directory: Path, rate: float, seconds: float) -> Run:
    """Calls through sippy's two legs."""
    bridge_port, phone_port, caller_port = free_port(), free_port(), free_port()
    calls = int(rate * seconds)
    log = str(directory / "sippy.log")
    bridge = (str(SIPPY), "-f", "-l", LOOPBACK, "-p", str(bridge_port), "-n", f"{LOOPBACK}:{phone_port}", "-L", log)
    load = (f"{LOOPBACK}:{bridge_port}", "-r", f"{rate:.0f}", "-m", str(calls), "-d", "500", "-timeout", "60s")
    async with (
        Process(LOAD_CORE, directory, *sipp("uas", phone_port)),
        Process(SERVER_CORE, directory, *bridge) as controller,
    ):
        await listening(bridge_port)
        before = cpu_of(controller.pid)
        async with Process(LOAD_CORE, directory, *sipp("uac", caller_port, *load)) as caller:
            await wait_for(caller, 90)
        return Run(rate, calls, failures(directory, "uac"), cpu_of(controller.pid) - before)


async def controllers(directory: Path, rate: float, seconds: float) -> Run:
    """SIPp's own pair of controllers, which share a core and talk to each other over TCP."""
    a, b, twin = free_port(), free_port(), free_port()
    first, second = free_port(), free_port()
    calls = int(rate * seconds)
    pair = ("-3pcc", f"{LOOPBACK}:{twin}", "-m", str(calls), "-timeout", "60s")
    async with (
        Process(LOAD_CORE, directory, *sipp("3pcc-A", a)),
        Process(LOAD_CORE, directory, *sipp("3pcc-B", b)),
        Process(SERVER_CORE, directory, *sipp("3pcc-C-B", second, f"{LOOPBACK}:{b}", *pair)) as to_b,
    ):
        await listening(second)
        await listening(twin, "tcp")
        command = sipp("3pcc-C-A", first, f"{LOOPBACK}:{a}", *pair, "-r", f"{rate:.0f}")
        async with Process(SERVER_CORE, directory, *command) as to_a:
            before = cpu_of(to_a.pid) + cpu_of(to_b.pid)
            cpu = before
            async with asyncio.timeout(90):
                while to_a.returncode is None:
                    cpu = max(cpu, cpu_of(to_a.pid) + cpu_of(to_b.pid))
                    await asyncio.sleep(0.05)
        return Run(rate, calls, failures(directory, "3pcc-C-A"), cpu - before)


async def listening(port: int, protocol: str = "udp") -> None:
    """Until a socket is bound to the port."""
    async with asyncio.timeout(20):
        while not is_bound(port, protocol):  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.02)


async def highest(
    play: Callable[[Path, float, float], Awaitable[Run]], directory: Path, start: float, seconds: float = 4.0
) -> tuple[float, Run | None]:
    """The highest rate without a failed call, in steps of 15 %, and its run; 0.0 when already the first one failed."""
    best: Run | None = None
    rate = start
    for number in range(ROUNDS):
        folder = directory / str(number)
        folder.mkdir(parents=True)
        try:
            run = await play(folder, rate, seconds)
        except TimeoutError:
            break
        if run.failed:
            break
        best = run
        rate *= STEP
    return (best.rate if best else 0.0), best


def has_sippy() -> bool:
    return SIPPY.exists() and shutil.which("sipp") is not None
