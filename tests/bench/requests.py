"""HTTP requests a second, against a bare aiohttp and msgspec echo in the same run on the same core; and by CPU of either.

The client has the other core. What it needs itself for a request is measured as well: it must not be the one that is slow.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.calls import Sipp
from tests.bench.load import Load
from tests.bench.processes import CORES, LOAD_CORE, SERVER_CORE, cpu_of, on_core, pin
from tests.sipp.server import Server

DOCUMENTS = 10
STEADY = 4000
"""Connects a second at which the client is measured."""
REST = 0.2
"""Seconds between two rounds: what is still to be done for the last one is done."""


class Asked(NamedTuple):
    """Medians of rounds. `rate` of answers with 200 a second, `cpu` in seconds of the server for each of them."""

    rate: float
    cpu: float
    refused: float


class Client(NamedTuple):
    """What the client is able to: `busy` its core's share at `rate` requests a second, the longest it was late in seconds."""

    rate: float
    busy: float
    late: float


class Found(NamedTuple):
    """Each kind of request, with the echo's figures beside it."""

    asked: dict[str, tuple[Asked, Asked]]
    client: Client


async def measure(directory: Path, rounds: int = 5, seconds: float = 1.0) -> Found:
    """A connect is throttled, kept on the disk, and rings a phone that does not answer.

    Connects come last, for the calls that they leave behind would be measured too.
    """
    phone = Sipp("a_rings_many", directory, LOAD_CORE)
    server = Server(directory / "server", {"2001": phone.uri, "2002": phone.uri}, calls={"ring_timeout": 600.0})
    echo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.echo"),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        assert echo.stdout
        echo_port = int(await echo.stdout.readline())
        async with phone:
            with on_core(SERVER_CORE):
                await server.start()
            assert server.process
            pids = {"echo": echo.pid, "": server.process.pid}
            pin(pids[""], {SERVER_CORE})
            os.sched_setaffinity(0, {LOAD_CORE})
            documents = [await server.create("2001", throttle=1_000_000) for _ in range(DOCUMENTS)]
            base = f"/v2/accounts/{server.account}/clicktocall"
            loads = {
                "echo": Load(echo_port, "/"),
                "connect": Load(server.http_port, f"{base}/{documents[0]}/connect", server.token),
                "read": Load(server.http_port, f"{base}/{documents[0]}", server.token, "GET"),
                "list": Load(server.http_port, base, server.token, "GET"),
            }
            client = await of_the_client(echo_port, seconds)
            asked: dict[str, tuple[Asked, Asked]] = {}
            for names in (("echo", "read", "list"), ("echo", "connect")):
                found: dict[str, list[Asked]] = {name: [] for name in names}
                for _ in range(rounds):
                    for name in names:
                        found[name].append(await once(loads[name], pids.get(name, pids[""]), seconds))
                medians = {name: Asked(*map(median, zip(*each, strict=True))) for name, each in found.items()}
                beside = medians.pop("echo")
                asked |= {name: (figures, beside) for name, figures in medians.items()}
            return Found(asked, client)
    finally:
        await server.abandon()
        echo.kill()
        await echo.wait()
        os.sched_setaffinity(0, CORES)


async def once(load: Load, pid: int, seconds: float) -> Asked:
    before, refused, cpu = load.accepted, load.refused.total(), cpu_of(pid)
    rate = await load.flat_out(seconds)
    await asyncio.sleep(REST)
    each = (cpu_of(pid) - cpu) / max(1, load.accepted - before)
    return Asked(rate, each, load.refused.total() - refused)


async def of_the_client(port: int, seconds: float) -> Client:
    load = Load(port, "/")
    cpu = time.process_time()
    took = await load.at(STEADY, 2 * seconds)
    return Client(load.accepted / took, (time.process_time() - cpu) / took, load.longest)
