"""What `[sip] workers` brings: the CPU of a call in each process, with one and with two.

With a core for each process the busiest one sets the rate. No highest rate is searched: the phones and this client need
cores as well, and now and then a SIPp phone that two ports of ours call leaves re-INVITEs of a run unanswered; why, is open.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.calls import bridged_calls
from tests.sipp.server import Server

ROUNDS = 5
RATE, SECONDS = 400.0, 5.0


class TwoWorkers(Server):
    """The desk and one more."""

    workers = 2


KINDS: tuple[type[Server], ...] = (Server, TwoWorkers)


class Cost(NamedTuple):
    """Seconds of CPU for each call."""

    total: float
    busiest: float
    desk: float


async def costs(directory: Path, rounds: int = ROUNDS) -> dict[int, Cost]:
    """By number of workers: medians of rounds that take turns."""
    found: dict[int, list[Cost]] = {kind.workers: [] for kind in KINDS}
    for turn in range(rounds):
        for kind in KINDS:
            outcome = await bridged_calls(directory / f"{kind.workers}-{turn}", RATE, SECONDS, kind, pinned=False)
            each = [cpu / outcome.bridged for cpu in outcome.cpus]
            found[kind.workers].append(Cost(sum(each), max(each), each[0]))
    return {number: Cost(*map(median, zip(*seen, strict=True))) for number, seen in found.items()}
