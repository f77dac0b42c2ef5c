"""How many of the calls that any process could carry the desk carries itself, so that it is as busy as the workers are."""

from __future__ import annotations

from typing import NamedTuple

DESK_WORK = 0.7
"""What HTTP, service and storage cost the desk for each call of all, as a part of what a call costs its engine.

Where desk and worker were equally busy at 300 calls a second it was 0.6 to 0.8; a service that is busy finds its own.
"""
PULL = 0.5
"""How far that is changed for each part by which the desk is busier than a worker."""
BUSY = 0.2
"""Cores that the two have to need together for that to mean something."""


class Seen(NamedTuple):
    """When a worker was heard of, and the seconds of CPU that desk and worker had used until then."""

    at: float
    desk: float
    worker: float


class Balance:
    """By the rate of new calls, not by how many there are: those are what costs, and a long call is felt for long."""

    def __init__(self) -> None:
        self.desk_work = DESK_WORK
        self.due = 0.5
        """Calls that are the desk's and that it was not given; it is given one when there is a whole one."""
        self.seen: dict[int, Seen] = {}
        """By the number of the worker."""

    def is_for_desk(self, workers: int) -> bool:
        """Whether the next call is the desk's, beside so many workers."""
        self.due += max(0.0, (1 - workers * self.desk_work) / (workers + 1))
        if self.due < 1.0:
            return False
        self.due -= 1.0
        return True

    def weigh(self, number: int, seen: Seen) -> None:
        """Learn from what a worker and the desk have used since the last time."""
        before = self.seen.get(number)
        self.seen[number] = seen
        if before is None or seen.worker < before.worker:
            return  # It is another process.
        desk, worker = seen.desk - before.desk, seen.worker - before.worker
        if desk + worker > BUSY * (seen.at - before.at):
            learnt = self.desk_work + PULL * (desk - worker) / (desk + worker)
            self.desk_work = min(1.0, max(0.0, learnt))
