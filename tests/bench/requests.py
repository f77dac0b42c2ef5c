"""HTTP requests a second, against a bare aiohttp and msgspec echo in the same run on the same core."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from statistics import median

from tests.bench.calls import CORES, LOAD_CORE, SERVER_CORE, SippUnderLoad
from tests.bench.load import Load
from tests.sipp.server import Server

DOCUMENTS = 10


async def rates(directory: Path, rounds: int = 5, seconds: float = 1.0) -> dict[str, float]:
    """What is asked for → share of the answers a second that the echo gives beside it, medians of interleaved rounds.

    A connect is throttled, kept on the disk, and rings a phone that does not answer: connects come last, for the calls
    that they leave behind would be measured too. `echo`, `… a second` are not shares.
    """
    os.sched_setaffinity(0, {LOAD_CORE})
    phone = SippUnderLoad("a_rings_many", directory)
    server = Server(directory / "server", {"2001": phone.uri, "2002": phone.uri}, calls={"ring_timeout": 600.0})
    echo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.echo"),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        assert echo.stdout
        echo_port = int(await echo.stdout.readline())
        await phone.start()
        await server.start()
        assert server.process
        os.sched_setaffinity(server.process.pid, {SERVER_CORE})
        documents = [await server.create("2001", throttle=1_000_000) for _ in range(DOCUMENTS)]
        base = f"/v2/accounts/{server.account}/clicktocall"
        loads = {
            "echo": Load(echo_port, "/"),
            "connect": Load(server.http_port, f"{base}/{documents[0]}/connect", server.token),
            "read": Load(server.http_port, f"{base}/{documents[0]}", server.token, "GET"),
            "list": Load(server.http_port, base, server.token, "GET"),
        }
        found: dict[str, float] = {}
        for names in (("echo", "read", "list"), ("echo", "connect")):
            rates: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(rounds):
                for name in names:
                    rates[name].append(await loads[name].flat_out(seconds))
            echoes = median(rates.pop("echo"))
            found |= {"echo": echoes, **{f"{name} a second": median(values) for name, values in rates.items()}}
            found |= {name: median(values) / echoes for name, values in rates.items()}
        refused = {name: load.refused for name, load in loads.items() if load.refused}
        assert not refused, f"requests refused: {refused}"
        return found
    finally:
        await server.abandon()
        await phone.stop()
        echo.kill()
        await echo.wait()
        os.sched_setaffinity(0, set(CORES))
