"""Requests wait for each other, and only while the process is busy."""

from __future__ import annotations

import asyncio
import math

import pytest

from api import coalescing as module
from api.coalescing import BUSY, Coalescing


async def test_nobody_waits_for_others_as_long_as_there_is_time() -> None:
    with pytest.raises(StopIteration):
        Coalescing().wait().send(None)


def test_busy_is_who_uses_most_of_a_core() -> None:
    coalescing = Coalescing()
    coalescing.look(100.0, 5.0)
    coalescing.look(100.1, 5.0 + 0.1 * BUSY + 0.001)
    assert coalescing.is_busy
    coalescing.look(100.2, 5.2)
    assert coalescing.is_busy
    coalescing.look(100.3, 5.2 + 0.1 * BUSY - 0.001)
    assert not coalescing.is_busy


async def test_who_waits_goes_on_with_all_others_that_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has given up meanwhile takes nobody along."""
    monkeypatch.setattr(module, "GATHER", 60)
    coalescing, gone_on = Coalescing(), []
    coalescing.is_busy, coalescing.looked_at = True, math.inf

    async def request(name: str) -> None:
        await coalescing.wait()
        gone_on.append(name)

    first, gives_up = asyncio.ensure_future(request("first")), asyncio.ensure_future(request("gives up"))
    await asyncio.sleep(0)
    turn = coalescing.turn
    assert turn is not None
    gives_up.cancel()
    second = asyncio.ensure_future(request("second"))
    await asyncio.wait([gives_up])
    assert gives_up.cancelled() and coalescing.turn is turn and not gone_on
    coalescing.go_on(turn)
    await asyncio.wait([first, second])
    assert gone_on == ["first", "second"]
    assert coalescing.turn is None
