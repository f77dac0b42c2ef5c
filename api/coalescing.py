"""Requests of a busy moment, dealt with together: many at once cost a tenth less than one by one, each in a turn of its own."""

from __future__ import annotations

import asyncio
import time

BUSY = 0.7
"""Of one core: with more used than that, requests wait for others; with less, nobody waits."""
LOOKED = 0.1
"""Seconds between two looks at how much that is."""
GATHER = 0.005
"""Seconds from the first request that waits until all go on."""


class Coalescing:
    """`wait` is called for each request, before anything is done for it."""

    def __init__(self) -> None:
        self.is_busy = False
        self.looked_at = 0.0
        self.used = 0.0
        """Seconds of CPU until then."""
        self.turn: asyncio.Event | None = None
        """Set when those who wait go on."""

    async def wait(self) -> None:
        """Returns at once, or a moment later if the process is busy."""
        loop = asyncio.get_running_loop()
        if (now := loop.time()) >= self.looked_at + LOOKED:
            self.look(now, time.process_time())
        if not self.is_busy:
            return
        turn = self.turn
        if turn is None:
            turn = self.turn = asyncio.Event()
            loop.call_later(GATHER, self.go_on, turn)
        await turn.wait()

    def look(self, now: float, used: float) -> None:
        """So much CPU has been used by now."""
        self.is_busy = used - self.used > BUSY * (now - self.looked_at)
        self.looked_at, self.used = now, used

    def go_on(self, turn: asyncio.Event) -> None:
        self.turn = None
        turn.set()
