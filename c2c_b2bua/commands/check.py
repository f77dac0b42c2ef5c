"""`c2c check`: what a configuration file means."""

from __future__ import annotations

from c2c_b2bua.commands.arguments import ConfigFile, read_config
from c2c_b2bua.commands.terminal import show


def check(*, config: ConfigFile) -> None:
    """Validate a configuration, and print the effective settings with secrets masked.

    Exit code 2 when it is wrong; every line then names the file, the key, and what was expected.
    """
    show(read_config(config).shown())
