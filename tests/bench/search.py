"""Looks for the highest rate at which nothing fails: upwards, then between what did and what did not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

UP = 1.35
"""From a rate that was kept to the next."""
DOWN = 0.6
"""From a rate that was not, while none was kept yet."""
CLOSE = 1.05
"""Two rates so near are one."""
LOWEST = 5.0


class Attempt(Protocol):
    """One run at a rate."""

    @property
    def is_kept(self) -> bool:
        """Whether it was kept up, and nothing failed."""


A = TypeVar("A", bound=Attempt)


async def highest(attempt: Callable[[float], Awaitable[A]], start: float, most: int) -> tuple[A | None, list[A]]:
    """The run with the highest rate that was kept, if any; and all `most` runs or fewer, as they were made."""
    runs: list[A] = []
    best: A | None = None
    low, high = 0.0, 0.0
    rate = max(start, LOWEST)
    while len(runs) < most and rate >= LOWEST:
        run = await attempt(rate)
        runs.append(run)
        if run.is_kept:
            best, low = run, rate
        else:
            high = rate
        if low and high:
            if high <= low * CLOSE:
                break
            rate = (low * high) ** 0.5
        else:
            rate *= UP if low else DOWN
    return best, runs
