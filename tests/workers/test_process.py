"""What a process that carries calls sets for itself."""

from __future__ import annotations

import asyncio
import gc
from collections import deque

from c2c_b2bua.workers.process import THRESHOLDS, spare_collector


async def test_the_collector_looks_at_what_is_new_though_as_much_is_freed() -> None:
    before = gc.get_threshold()
    looks: list[int] = []
    """Objects counted as new at each look at them."""

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 0:
            looks.append(gc.get_count()[0])

    living = deque(([] for _ in range(50_000)), maxlen=50_000)
    loop, enough = asyncio.get_running_loop(), asyncio.Event()

    def make_and_free() -> None:
        living.extend([] for _ in range(200))
        if len(looks) < 3:
            loop.call_soon(make_and_free)
        else:
            enough.set()

    spare_collector()
    gc.callbacks.append(look)
    try:
        make_and_free()
        async with asyncio.timeout(30):
            await enough.wait()
    finally:
        gc.callbacks.remove(look)
        gc.unfreeze()
        gc.set_threshold(*before)
    assert max(looks) < THRESHOLDS[0]
