"""What a process that carries calls sets for itself."""

from __future__ import annotations

import asyncio
import gc
import resource

YOUNG = 0.1
"""Seconds after which the collector looks at what is new."""
THRESHOLDS = (5_000, 36_000, 50)
"""Objects that are new at most; looks at those for one at what has outlived them, an hour; these for one at all there is.

Connections, calls and requests leave no cycles; to look at what 1 000 calls a second leave behind takes half a second.
"""


def allow_many_files() -> None:
    """Every phone on a stream is an open file: as many as we are allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_collector() -> None:
    """Once all is there that lives as long as the process, on its loop: the collector need not look at it again.

    Calls are freed by reference counts; the collector is there for the rare cycle, and would else walk all calls all
    the time. It counts what is made less what is freed, even if that was made long ago: where as many calls end as
    begin it would not look for seconds, and then at all of these for a tenth of a second. So it looks by the clock.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    look_at_young()


def look_at_young() -> None:
    gc.collect(0)
    asyncio.get_running_loop().call_later(YOUNG, look_at_young)
