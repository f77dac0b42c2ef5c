"""Reads a configuration file and the secrets it points at."""

from __future__ import annotations

import os
from pathlib import Path

from c2c_b2bua.config import Config
from c2c_b2bua.config_file import ConfigError, parse


def load(path: Path | str) -> Config:
    """The configuration in the file at `path`; ConfigError also when the file cannot be read.

    A relative `file:` secret is looked for beside the configuration file.
    """
    path = Path(path)

    def resolve(reference: str) -> str:
        kind, _, name = reference.partition(":")
        if kind == "env":
            if name not in os.environ:
                raise ValueError(f"the environment variable {name} is not set")
            return os.environ[name]
        try:
            return (path.parent / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"the file {name} cannot be read: {reason(error)}") from None

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [("", f"cannot be read: {reason(error)}")]) from None
    return parse(text, str(path), resolve)


def reason(error: Exception) -> str:
    """What went wrong, without the path that the message around it names already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
