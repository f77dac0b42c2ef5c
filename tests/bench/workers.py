"""What `[sip] workers` brings: by the CPU of a call in each process, and by rate.

The phones are ours, in processes of their own. With four cores or more each process of the server has a core to itself and
phones and client have the others; with fewer all share all, and only CPU can tell: with a core for each process the busiest
one would set the rate.

At one rate for both, each of two processes has half as much to do and wakes up for less at a time, which makes a call
dearer there; how many calls two carry is told by what a call costs each at the highest rate it keeps.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.calls import LEAST, Outcome, Stage
from tests.bench.processes import CORES
from tests.bench.search import highest
from tests.sipp.server import Server

ENOUGH = 4
"""Cores: two workers, the phones, the client."""


class TwoWorkers(Server):
    """The desk and one more."""

    workers = 2


KINDS: tuple[type[Server], ...] = (Server, TwoWorkers)
ALONE = len(CORES) >= ENOUGH
"""Whether each process of the server has a core to itself."""


class Cost(NamedTuple):
    """Seconds of CPU for each call."""

    total: float
    busiest: float
    desk: float


def stage(directory: Path, kind: type[Server]) -> Stage:
    return Stage(directory, kind, CORES[: kind.workers] if ALONE else CORES, sipp=False)


async def costs(directory: Path, rate: float, seconds: float, rounds: int) -> dict[int, Cost]:
    """By number of workers: medians of rounds that take turns. RuntimeError when calls failed."""
    found: dict[int, list[Cost]] = {kind.workers: [] for kind in KINDS}
    for turn in range(rounds):
        for kind in KINDS:
            async with stage(directory / f"{kind.workers}-{turn}", kind) as made:
                # First, desk and worker find out how busy each of them is.
                await made.run(rate, seconds)
                outcome = await made.run(rate, seconds)
            if outcome.failed or outcome.refused or outcome.left:
                raise RuntimeError(f"workers = {kind.workers}: {describe(outcome)}")
            found[kind.workers].append(Cost(outcome.each, busiest(outcome), outcome.cpus[0] / outcome.bridged))
    return {number: Cost(*map(median, zip(*seen, strict=True))) for number, seen in found.items()}


def busiest(outcome: Outcome) -> float:
    """Seconds of CPU of the busiest process for each call."""
    return max(max(outcome.cpus) / outcome.bridged, LEAST)


async def rate(directory: Path, kind: type[Server], start: float, seconds: float, most: int) -> Outcome | None:
    """The run with the highest rate at which nothing failed."""

    async def attempt(asked: float) -> Outcome:
        async with stage(directory / f"{kind.workers}-{asked:.1f}", kind) as made:
            return await made.run(asked, seconds)

    return (await highest(attempt, start, most))[0]


def describe(outcome: Outcome) -> str:
    counts = f"{outcome.bridged} bridged, {outcome.refused} refused, {outcome.failed} failed, {outcome.left} not over"
    late = "" if outcome.is_in_time else f", {outcome.seconds - outcome.offered / outcome.asked:.1f} s late"
    return f"{counts} at {outcome.asked:.0f}/s{late}" + (f": {outcome.trouble}" if outcome.trouble else "")
