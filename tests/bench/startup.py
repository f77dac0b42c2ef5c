"""How long until the program is there: imported, and ready for its first call."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.sipp.server import Server

ROUNDS = 5


def imported(rounds: int = ROUNDS) -> float:
    """Milliseconds to import all that `serve` needs, beside those of an empty Python."""
    return median(once("import c2c_b2bua.server") - once("pass") for _ in range(rounds))


def once(code: str) -> float:
    started = time.perf_counter()
    subprocess.run((sys.executable, "-c", code), check=True)
    return 1000 * (time.perf_counter() - started)


async def ready(directory: Path, rounds: int = ROUNDS) -> float:
    """Milliseconds from `c2c serve` to `/readyz`, with a new database."""
    took = []
    for number in range(rounds):
        server = Server(directory / str(number), {})
        started = time.perf_counter()
        async with server:
            took.append(1000 * (time.perf_counter() - started))
    return median(took)
