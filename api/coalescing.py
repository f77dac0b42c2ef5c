"""Requests of a busy moment, dealt with together: a call costs a twentieth less than where each has a turn of its own."""

from __future__ import annotations

import asyncio
import time

BUSY = 0.7
"""Of one core: with more used than that, requests wait for others; with less, nobody waits."""
LOOKED = 0.1
"""Seconds between two looks at how much that is."""
GATHER, ENOUGH = 0.005, 8
"""Seconds from the first request that waits until all go on, or as many of them as are enough to do so at once."""


class Coalescing:
    """`wait` is called for each request that may be a connect, before anything is done for it."""

    def __init__(self) -> None:
        self.is_busy = False
        self.looked_at = 0.0
        self.used = 0.0
        """Seconds of CPU until then."""
        self.turn = asyncio.Event()
        """Set when those who wait go on."""
        self.waiting = 0
        self.timer: asyncio.TimerHandle | None = None
        """Has them go on."""

    async def wait(self) -> None:
        """Returns at once, or a moment later if the process is busy."""
        loop = asyncio.get_running_loop()
        if (now := loop.time()) >= self.looked_at + LOOKED:
            self.look(now, time.process_time())
        if not self.is_busy:
            return
        self.waiting += 1
        if self.waiting == ENOUGH:
            self.go_on()
            return
        if self.timer is None:
            self.timer = loop.call_later(GATHER, self.go_on)
        await self.turn.wait()

    def look(self, now: float, used: float) -> None:
        """So much CPU has been used by now."""
        self.is_busy = used - self.used > BUSY * (now - self.looked_at)
        self.looked_at, self.used = now, used

    def go_on(self) -> None:
        """Those who wait; who comes now waits for the next time."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.turn.set()
        self.turn, self.waiting = asyncio.Event(), 0
