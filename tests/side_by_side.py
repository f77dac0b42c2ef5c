"""Which of the processes this is among which pytest-xdist divides the tests: what they take must not be the same."""

from __future__ import annotations

import os

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def part(first: int, last: int) -> range:
    """Of the numbers from `first` up to `last` those that are this process's."""
    each = (last - first) // PROCESSES
    return range(first + each * PROCESS, first + each * (PROCESS + 1))
