"""What talking calls cost the real server: memory of each, and whether a further call costs more beside many.

Two servers, one with few calls that talk and one with ever more; short calls through either take turns. The phones keep
nothing of a call that talks, so that they can have any number.

Memory of a process does not shrink: what making a call took, and what is kept of it for messages that come late, is used
again for later ones. So the many are made in steps of equal size and speed, with time between two for what is kept of the
step before to go: after each, the same is in use beside what talks, or free, and from the first to the last step only
what talks has grown.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.calls import LEAST, MODEST, Stage
from tests.bench.load import Load
from tests.bench.phones import Phones
from tests.bench.processes import LOAD_CORE

SHARE = 0.6
"""Of what the server's core has time for: so fast the calls are made."""
FURTHER = 500
"""Short calls in a round, whose CPU is measured."""
WARM = 500
LONGEST = 180.0
"""Seconds in which the calls of a step have to be made."""
SLOWER = 0.7
"""Of the rate, when not all were accepted."""
PATIENCE = 20.0
"""Seconds that calls get to be bridged, or to end."""
BRIDGED, ACTIVE = "c2c_calls_bridged_total", "c2c_calls_active"


class Step(NamedTuple):
    """So many talk, and what the server has in memory more than without any, in bytes."""

    talking: int
    memory: int


class Found(NamedTuple):
    few: Step
    steps: list[Step]
    cpu: dict[int, float]
    """Seconds of CPU of a short call, beside how many that talk; medians of rounds that take turns."""
    trouble: str
    """Why not all steps were made."""

    @property
    def further(self) -> float | None:
        """Bytes of each call from the first step to the last; None when there is only one."""
        if len(self.steps) < 2:
            return None
        first, last = self.steps[0], self.steps[-1]
        return (last.memory - first.memory) / (last.talking - first.talking)


class TooLongError(Exception):
    """The machine is too slow for it."""


class Table:
    """One server and the calls that talk in it; `empty` is its memory without any, in bytes."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.talking = 0
        self.empty = 0

    async def fill(self, number: int, rate: float) -> None:
        """Until so many talk; those that are refused are made again, more slowly. TooLongError."""
        until = time.monotonic() + LONGEST
        while (missing := number - self.talking) > 0:
            if time.monotonic() + missing / rate > until:
                raise TooLongError(f"{self.talking} talk, and more take too long at {rate:.0f} a second")
            wanted = (await self.stage.metrics())[BRIDGED]
            load = await offer(self.stage, "2003", missing, rate)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while (await self.stage.metrics())[BRIDGED] < wanted + load.accepted:  # noqa: ASYNC110 (over HTTP)
                        await asyncio.sleep(0.1)
            self.talking = int((await self.stage.metrics())[ACTIVE])
            rate *= SLOWER

    def step(self) -> Step:
        return Step(self.talking, self.stage.resident() - self.empty)

    async def short(self, number: int, rate: float) -> float:
        """Seconds of CPU of each of so many calls that are soon over."""
        before = self.stage.cpus()
        load = await offer(self.stage, "2002", number, rate)
        async with asyncio.timeout(PATIENCE):
            # Seldom: to ask costs as much as a call.
            await asyncio.sleep(self.stage.talks + 0.2)
            while (await self.stage.metrics())[ACTIVE] > self.talking:  # noqa: ASYNC110 (the news is over HTTP)
                await asyncio.sleep(0.5)
        return max(LEAST, (sum(self.stage.cpus()) - sum(before)) / max(1, load.accepted))


async def measure(directory: Path, numbers: tuple[int, ...], rounds: int, linger: float, scale: float) -> Found:
    """The first of `numbers` in one server, the others, each as much more, one after the other in the second."""
    async with contextlib.AsyncExitStack() as stack:
        talkers = await stack.enter_async_context(Phones(directory / "talkers", LOAD_CORE, None))
        tables = []
        for place in range(2):
            made = Stage(directory / str(place), more=tuple(talkers.uris), sipp=False, talks=0.1)
            tables.append(Table(await stack.enter_async_context(made)))
        few, many = tables
        # What the first calls bring into memory is no call's own.
        warm = max(5, int(WARM * scale))
        cost = 0.0
        for table in tables:
            cost = await table.short(warm, MODEST)
            table.empty = table.stage.resident()
        rate = SHARE / max(cost, LEAST)
        await few.fill(numbers[0], rate)
        beginning = few.step()
        steps = []
        trouble = ""
        for place, number in enumerate(numbers[1:]):
            if place:
                await asyncio.sleep(linger)
            try:
                await many.fill(number, rate)
            except TooLongError as error:
                trouble = str(error)
                break
            steps.append(many.step())
        costs: dict[int, list[float]] = {table.talking: [] for table in tables}
        for _ in range(rounds):
            for table in tables:
                costs[table.talking].append(await table.short(max(5, int(FURTHER * scale)), rate))
        return Found(beginning, steps, {number: median(each) for number, each in costs.items()}, trouble)


async def offer(stage: Stage, contact: str, number: int, rate: float) -> Load:
    load = stage.load(contact)
    await load.at(rate, number / rate)
    return load
