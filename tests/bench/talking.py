"""What talking calls cost the real server: memory of each, and whether a further call costs more beside many."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

from tests.bench.calls import CORES, LOAD_CORE, SERVER_CORE, SippUnderLoad, cpu_of, metrics, resident_of
from tests.bench.load import Load
from tests.sipp.server import Server

CALLS_PER_SECOND = 800
FURTHER = 2000
"""Short calls whose CPU is measured beside those that talk."""


class Beside(NamedTuple):
    """How it is beside `talking` calls: memory of each of them in bytes, CPU of one more call in seconds."""

    talking: int
    memory: float
    cpu: float


async def beside(directory: Path, numbers: list[int]) -> list[Beside]:
    """Let ever more calls talk, in one server."""
    os.sched_setaffinity(0, {LOAD_CORE})
    a = SippUnderLoad("a_answers_many", directory)
    b = SippUnderLoad("b_answers_many", directory)
    short = SippUnderLoad("b_hangs_up_many", directory, "-d", "100")
    extensions = {"2001": a.uri, "2002": b.uri, "2003": short.uri}
    server = Server(directory / "server", extensions, calls={"ring_timeout": 30.0, "grace": 0.0})
    found: list[Beside] = []
    try:
        for part in (a, b, short, server):
            await part.start()
        assert server.process
        pid = server.process.pid
        os.sched_setaffinity(pid, {SERVER_CORE})
        document = await server.create("2001")
        path = f"/v2/accounts/{server.account}/clicktocall/{document}/connect?auto_answer=false"
        # What the first calls bring into memory is no call's own.
        await run(server, Load(server.http_port, path, server.token, contact="2003"), 1000)
        empty = resident_of(pid)
        talking = 0
        for number in numbers:
            talking = await run(server, Load(server.http_port, path, server.token), number - talking)
            # Transactions of the last calls are kept for 32 s, for messages that come late.
            await asyncio.sleep(35)
            memory = (resident_of(pid) - empty) * 1024 / talking
            before = cpu_of(pid)
            await run(server, Load(server.http_port, path, server.token, contact="2003"), FURTHER)
            found.append(Beside(talking, memory, (cpu_of(pid) - before) / FURTHER))
        return found
    finally:
        await server.abandon()
        for phone in (a, b, short):
            await phone.stop()
        os.sched_setaffinity(0, set(CORES))


async def run(server: Server, load: Load, number: int) -> int:
    """So many calls more; how many go on once nothing changes any more."""
    await load.at(CALLS_PER_SECOND, number / CALLS_PER_SECOND)
    assert not load.refused, f"{load.refused} of {number} connects were refused"
    seen: list[float] = []
    while len(seen) < 30 or len(set(seen[-30:])) > 1:
        seen.append((await metrics(server))["c2c_calls_active"])
        await asyncio.sleep(0.1)
    return int(seen[-1])
