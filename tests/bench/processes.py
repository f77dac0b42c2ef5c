"""Processes that are measured: on which core they are, what they have used, and that none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.sipp.ports import is_bound

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
"""What is measured has one core, what makes the load the other (where there are two)."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one core; afterwards on all."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def pin(pid: int, cores: Collection[int]) -> None:
    """All threads of a process; those that it starts later go where their maker is."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that all its threads have had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_of(pid: int) -> int:
    """Bytes in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def children_of(pid: int) -> list[int]:
    """Those that any thread of it has started."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (thread / "children").read_text().split())
    return found


def adopt_orphans() -> None:
    """From now on, what a process below this one leaves behind becomes a child of this one, and can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kill and bury everything below this process."""
    while left := children_of(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def machine_seconds() -> float:
    """Seconds of CPU that everything on this machine has had, stolen ones included."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = fields
    return (user + nice + system + interrupts + soft + stolen) / TICKS


async def listening(process: asyncio.subprocess.Process, port: int, protocol: str = "udp") -> None:
    """Until a socket is bound to the port. RuntimeError when the process ends instead."""
    async with asyncio.timeout(20):
        while not is_bound(port, protocol):
            if process.returncode is not None:
                raise RuntimeError(f"ended with {process.returncode} before it listened on {protocol} {port}")
            await asyncio.sleep(0.02)


class Process:
    """One process on one core, killed at the end."""

    def __init__(self, core: int, directory: Path, *command: str) -> None:
        self.core = core
        self.directory = directory
        self.command = command

    async def __aenter__(self) -> asyncio.subprocess.Process:
        self.directory.mkdir(parents=True, exist_ok=True)
        if shutil.which(self.command[0]) is None:
            raise FileNotFoundError(f"{self.command[0]} is not installed")
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
