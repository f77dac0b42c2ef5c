"""Requests under way: when is a moment at which nothing changes?"""

from __future__ import annotations

import asyncio


class UnderWay:
    """Counts requests between `begin` and `end`; of these, those between `rest` and `go_on` only wait for an outcome."""

    def __init__(self) -> None:
        self.count = 0
        self.calm: asyncio.Future[None] | None = None

    def begin(self) -> None:
        self.count += 1

    def end(self) -> None:
        self.count -= 1
        if self.calm is not None and self.count <= 0 and not self.calm.done():
            self.calm.set_result(None)

    rest, go_on = end, begin

    async def quiet(self) -> None:
        """Returns when none is under way that may change something."""
        while self.count > 0:
            self.calm = asyncio.get_running_loop().create_future()
            await self.calm
