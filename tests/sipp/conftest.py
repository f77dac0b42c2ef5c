"""What the scenario tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from .stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    """`stage(a="a_answers", b="b_hangs_up", ring_timeout=2.0)`."""
    return partial(Stage, tmp_path)
