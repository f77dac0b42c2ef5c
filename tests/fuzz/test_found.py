"""What fuzzing found once, and what it begins with: every property holds of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import properties
from tests.fuzz.__main__ import PROPERTIES
from tests.fuzz.seeds import FOUND, seeds

FINDS = sorted(path for path in FOUND.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FINDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_finds(path: Path) -> None:
    getattr(properties, path.parent.name)(path.read_bytes())


@pytest.mark.parametrize("name", PROPERTIES)
def test_seeds(name: str) -> None:
    inputs = seeds(name)
    assert inputs
    for data in inputs:
        getattr(properties, name)(data)


def test_every_property_is_known_by_name() -> None:
    assert {path.parent.name for path in FINDS} <= set(PROPERTIES)
    assert all(callable(getattr(properties, name)) for name in PROPERTIES)
