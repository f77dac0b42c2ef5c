"""What others need for the same work, beside ours in one run: sippy's B2BUA (PyPI) and SIPp's own 3PCC controllers.

Each controls on one core, its phones are SIPp on the other. sippy joins an ordinary call through its two legs (14 messages);
SIPp's controllers make flow I of RFC 3725 (10 messages), with no timers but retransmission, no API and no records.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import search
from tests.bench.processes import LOAD_CORE, SERVER_CORE, Process, cpu_of, listening
from tests.sipp.ports import LOOPBACK, free_port

SIPPY = Path(__file__).resolve().parents[2] / ".venv-sippy" / "bin" / "b2bua_simple"
"""`make bench` puts it there, in an environment of its own."""
TALKS = 0.5
BEHIND = 3.0
"""Seconds that the calls may take longer than it takes to make them; what is not over then has failed."""
LATE = 1.5
"""Seconds of those after which a run was not in time."""


class Run(NamedTuple):
    """`seconds` it took in all; `cpu` in seconds, of the controller."""

    asked: float
    calls: int
    failed: int
    seconds: float
    cpu: float

    @property
    def is_kept(self) -> bool:
        return not self.failed and self.seconds <= self.calls / self.asked + TALKS + LATE

    @property
    def each(self) -> float:
        return self.cpu / max(1, self.calls - self.failed)


def sipp(scenario: str, port: int, *options: str) -> tuple[str, ...]:
    """One SIPp with a scenario that is built into it."""
    common = ("-i", LOOPBACK, "-p", str(port), "-nostdin", "-l", "100000", "-buff_size", "4000000", "-trace_stat")
    return ("sipp", "-sn", scenario, *common, "-stf", f"{scenario}.csv", *options)


def failures(directory: Path, scenario: str, calls: int) -> int:
    """All that did not succeed, by SIPp's last word."""
    try:
        with (directory / f"{scenario}.csv").open() as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        return calls - int(rows[-1]["SuccessfulCall(C)"])
    except (FileNotFoundError, IndexError, KeyError, TypeError, ValueError):
        return calls


async def finished(process: asyncio.subprocess.Process, seconds: float, look: Callable[[], None]) -> float:
    """Seconds until the process has ended; it gets no more than these."""
    started = time.perf_counter()
    while process.returncode is None and time.perf_counter() < started + seconds:
        look()
        await asyncio.sleep(0.05)
    return time.perf_counter() - started


async def sippy(directory: Path, rate: float, seconds: float) -> Run:
    """Calls through sippy's two legs."""
    bridge_port, phone_port, caller_port = free_port(), free_port(), free_port()
    calls = max(1, round(rate * seconds))
    log = str(directory / "sippy.log")
    bridge = (str(SIPPY), "-f", "-l", LOOPBACK, "-p", str(bridge_port), "-n", f"{LOOPBACK}:{phone_port}", "-L", log)
    target = f"{LOOPBACK}:{bridge_port}"
    load = (target, "-r", f"{rate:.0f}", "-m", str(calls), "-d", f"{1000 * TALKS:.0f}", "-fd", "1")
    async with (
        Process(LOAD_CORE, directory, *sipp("uas", phone_port)) as phone,
        Process(SERVER_CORE, directory, *bridge) as controller,
    ):
        await listening(controller, bridge_port)
        await listening(phone, phone_port)
        before = cpu_of(controller.pid)
        async with Process(LOAD_CORE, directory, *sipp("uac", caller_port, *load)) as caller:
            took = await finished(caller, calls / rate + TALKS + BEHIND, lambda: None)
        return Run(rate, calls, failures(directory, "uac", calls), took, cpu_of(controller.pid) - before)


async def controllers(directory: Path, rate: float, seconds: float) -> Run:
    """SIPp's own pair of controllers, which share a core and talk to each other over TCP."""
    a, b, twin = free_port(), free_port(), free_port()
    first, second = free_port(), free_port()
    calls = max(1, round(rate * seconds))
    pair = ("-3pcc", f"{LOOPBACK}:{twin}", "-m", str(calls), "-fd", "1")
    async with (
        Process(LOAD_CORE, directory, *sipp("3pcc-A", a)) as phone_a,
        Process(LOAD_CORE, directory, *sipp("3pcc-B", b)) as phone_b,
        Process(SERVER_CORE, directory, *sipp("3pcc-C-B", second, f"{LOOPBACK}:{b}", *pair)) as to_b,
    ):
        for process, port in ((phone_a, a), (phone_b, b), (to_b, second)):
            await listening(process, port)
        await listening(to_b, twin, "tcp")
        command = sipp("3pcc-C-A", first, f"{LOOPBACK}:{a}", *pair, "-r", f"{rate:.0f}")
        async with Process(SERVER_CORE, directory, *command) as to_a:
            used = [cpu_of(to_a.pid), cpu_of(to_b.pid)]
            before = sum(used)

            def look() -> None:
                for place, process in enumerate((to_a, to_b)):
                    # One of them may have ended already.
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        used[place] = max(used[place], cpu_of(process.pid))

            took = await finished(to_a, calls / rate + TALKS + BEHIND, look)
        return Run(rate, calls, failures(directory, "3pcc-C-A", calls), took, sum(used) - before)


async def highest(
    play: Callable[[Path, float, float], Awaitable[Run]], directory: Path, start: float, seconds: float, most: int
) -> tuple[Run | None, list[Run]]:
    """The run with the highest rate at which no call failed, and all of them."""

    async def attempt(rate: float) -> Run:
        folder = directory / f"{rate:.1f}"
        folder.mkdir(parents=True)
        return await play(folder, rate, seconds)

    return await search.highest(attempt, start, most)


def has_sippy() -> bool:
    return SIPPY.exists() and shutil.which("sipp") is not None
