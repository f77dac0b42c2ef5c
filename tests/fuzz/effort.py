"""How much is tried: little and the same each time in the suite, much and new by hand with HYPOTHESIS_PROFILE=long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
TIMES = 100
"""What `long` multiplies by."""


def examples(number: int, steps: int = 0) -> settings:
    """Settings for this many examples, of so many steps if it is a state machine."""
    chosen = settings(
        deadline=None,
        max_examples=number * TIMES if IS_LONG else number,
        derandomize=not IS_LONG,
        suppress_health_check=list(HealthCheck),
    )
    return settings(chosen, stateful_step_count=steps) if steps else chosen
