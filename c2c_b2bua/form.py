"""In which of its two forms the package is installed: `pure`, or `compiled` from the same files (`setup.py`)."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec


def form() -> str:
    """What its core is; the build compiles all that it compiles, or nothing."""
    core = find_spec("c2c_b2bua.b2bua")
    return "compiled" if core and str(core.origin).endswith(tuple(EXTENSION_SUFFIXES)) else "pure"
