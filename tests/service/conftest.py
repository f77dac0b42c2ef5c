"""An exchange on SQLite in a temporary folder, over a scripted engine, without HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import SETTINGS, folder, settings_at, tables
from tests.api.scripted_engine import ScriptedEngine

__all__ = ["folder", "tables"]

StartExchange = Callable[[], Awaitable[Exchange]]


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def settings_text() -> str:
    return SETTINGS


@pytest.fixture
async def start_exchange(folder: Path, engine: ScriptedEngine, settings_text: str) -> AsyncIterator[StartExchange]:
    """Starts one exchange after another on the same database."""
    started: list[Exchange] = []

    async def start() -> Exchange:
        exchange = Exchange(settings_at(folder, settings_text), engine)
        await exchange.start()
        started.append(exchange)
        return exchange

    yield start
    for exchange in started:
        await exchange.stop()


@pytest.fixture
async def exchange(start_exchange: StartExchange) -> Exchange:
    return await start_exchange()
