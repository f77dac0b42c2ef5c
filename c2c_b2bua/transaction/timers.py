"""Timers by when they are due. Those of one name that last equally long expire in the order they were set in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush, heapreplace

SWEEPS = 20_000
"""Timers set between two looks for those whose machine is gone, at least: what has to be looked through stays short."""
Timer = tuple[float, int, str, str]
"""(when, order of setting, key of its machine, name)"""


class Timers:
    """A heap of what is due next.

    Timers with a name of `brief` or `lasting` wait in a queue of that name, of which only the first one is on the heap;
    should one be due before the last of its queue, it goes on the heap by itself. Those of `brief` are not swept: most
    have machines that live until then, or nearly so.
    """

    __slots__ = ("count", "gone", "heap", "lasting", "queues", "sweep_at")

    def __init__(self, brief: Iterable[str], lasting: Iterable[str] = ()) -> None:
        self.heap: list[Timer] = []
        self.lasting = tuple(lasting)
        self.queues: dict[str, deque[Timer]] = {name: deque() for name in (*brief, *self.lasting)}
        self.count = self.gone = 0
        """How many were ever set, and are not any more."""
        self.sweep_at = SWEEPS
        """The `count` at which a sweep is due."""

    def __len__(self) -> int:
        return self.count - self.gone

    def __iter__(self) -> Iterator[Timer]:
        """All of them, in no order."""
        yield from (timer for timer in self.heap if not self.is_first(timer))
        for queue in self.queues.values():
            yield from queue

    def is_first(self, timer: Timer) -> bool:
        """Whether a timer is on the heap for its queue, and not by itself."""
        queue = self.queues.get(timer[3])
        return queue is not None and len(queue) > 0 and queue[0] is timer

    @property
    def next_due(self) -> float | None:
        heap = self.heap
        return heap[0][0] if heap else None

    def set(self, at: float, key: str, name: str) -> None:
        self.count = order = self.count + 1
        timer = (at, order, key, name)
        queue = self.queues.get(name)
        if queue and at >= queue[-1][0]:
            queue.append(timer)
            return
        if queue is not None and not queue:
            queue.append(timer)
        heappush(self.heap, timer)

    def pop(self) -> Timer:
        """Take the one that is due first."""
        heap = self.heap
        timer = heap[0]
        self.gone += 1
        queue = self.queues.get(timer[3])
        if queue and queue[0] is timer:
            queue.popleft()
            if queue:
                heapreplace(heap, queue[0])
                return timer
        heappop(heap)
        return timer

    def sweep(self, is_there: Callable[[str], object]) -> None:
        """Drop those whose machine is gone."""
        queues = self.queues
        alone = [timer for timer in self.heap if not self.is_first(timer) and is_there(timer[2])]
        for name in self.lasting:
            queues[name] = deque([timer for timer in queues[name] if is_there(timer[2])])
        self.heap[:] = alone + [queue[0] for queue in queues.values() if queue]
        heapify(self.heap)
        left = len(alone) + sum(len(queues[name]) for name in self.lasting)
        self.gone = self.count - len(alone) - sum(map(len, queues.values()))
        self.sweep_at = self.count + max(SWEEPS, 4 * left)
