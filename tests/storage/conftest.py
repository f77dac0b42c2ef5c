"""A real SQLite file in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from c2c_b2bua.storage.database import Database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c2c.db"


@pytest.fixture
def ahead(tmp_path: Path) -> Path:
    """Where calls are accepted."""
    return tmp_path / "c2c.db.accepted"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite:///{file}", 0.05)
    await made.start()
    yield made
    await made.stop()
