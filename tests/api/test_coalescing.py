"""Requests wait for each other, and only while the process is busy."""

from __future__ import annotations

import asyncio
import math

import pytest

from api import coalescing as module
from api.coalescing import BUSY, ENOUGH, Coalescing
from tests.api.conftest import Api


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


class Requests:
    """Requests in a moment that is busy, and never over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "GATHER", 60)
        self.coalescing = Coalescing()
        self.coalescing.is_busy, self.coalescing.looked_at = True, math.inf
        self.come_in = asyncio.Semaphore(0)
        self.gone_on: list[int] = []

    async def come(self, *numbers: int) -> list[asyncio.Task[None]]:
        """Those that have come, once each of them has done what it can."""
        tasks = [asyncio.ensure_future(self.run(number)) for number in numbers]
        for _ in tasks:
            await self.come_in.acquire()
        return tasks

    async def run(self, number: int) -> None:
        self.come_in.release()
        await self.coalescing.wait()
        self.gone_on.append(number)


async def test_who_waits_goes_on_with_all_others_that_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has given up meanwhile takes nobody along."""
    requests = Requests(monkeypatch)
    first, gives_up = await requests.come(1, 2)
    gives_up.cancel()
    await asyncio.wait([gives_up])
    (third,) = await requests.come(3)
    assert gives_up.cancelled() and not requests.gone_on
    requests.coalescing.go_on()
    await asyncio.wait([first, third])
    assert requests.gone_on == [1, 3]


async def test_enough_of_them_wait_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch)
    tasks = await requests.come(*range(ENOUGH + 1))
    await asyncio.wait(tasks[:-1])
    assert sorted(requests.gone_on) == [*range(ENOUGH)]
    assert not tasks[-1].done()
    requests.coalescing.go_on()
    await tasks[-1]


async def test_a_moment_is_over_by_itself() -> None:
    coalescing = Coalescing()
    coalescing.is_busy, coalescing.looked_at = True, math.inf
    async with asyncio.timeout(10):
        await asyncio.gather(coalescing.wait(), coalescing.wait())
    assert coalescing.timer is None and not coalescing.waiting


async def test_a_connect_is_asked_to_wait_and_what_only_reads_is_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    document_id = await api.create()
    asked: list[Coalescing] = []

    async def wait(coalescing: Coalescing) -> None:
        asked.append(coalescing)

    monkeypatch.setattr(Coalescing, "wait", wait)
    await api.call("GET", "/v2/schemas")
    assert not asked
    response, _ = await api.connect(document_id)
    assert response.status == 200 and len(asked) == 1
