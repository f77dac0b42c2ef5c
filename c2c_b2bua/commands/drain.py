"""`c2c drain`: have a running service take no more calls."""

from __future__ import annotations

from c2c_b2bua import control
from c2c_b2bua.commands.arguments import ConfigFile, read_config
from c2c_b2bua.commands.terminal import fail, run, say


def drain(*, config: ConfigFile) -> None:
    """Have the service that runs with this configuration take no more calls, and end when the last one has.

    As `POST /drain`, by its control socket. Exit code 1 when there is no such service.
    """
    path = control.path_of(read_config(config))
    if path is None:
        fail(1, "There is no control socket: set socket of [control], as there is no SQLite file.")
    calls = run(control.drain(path)) if path.parent.is_dir() else None
    if calls is None:
        fail(1, f"Nobody answers at {path}.")
    say(f"It drains; calls that go on: {calls}.")
