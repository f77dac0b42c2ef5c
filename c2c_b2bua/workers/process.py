"""What a process that carries calls sets for itself."""

from __future__ import annotations

import gc
import resource


def allow_many_files() -> None:
    """Every phone on a stream is an open file: as many as we are allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_collector() -> None:
    """Once all is there that lives as long as the process: the collector need not look at it again.

    Calls are freed by reference counts; the collector is there for the rare cycle, and would else walk all calls all
    the time. What is new it looks at in small pieces: 50 000 objects at a time were 20 to 40 ms in which nothing else was done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 500, 50)
