"""What is the same for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

import pytest


@contextmanager
def bytecode() -> Iterator[None]:
    """Where Python is told to write none, each of the many processes that tests start would compile everything anew."""
    told = os.environ.pop("PYTHONDONTWRITEBYTECODE", "")
    if not told:
        yield
        return
    with TemporaryDirectory(prefix="c2c-bytecode-") as directory:
        os.environ["PYTHONPYCACHEPREFIX"] = directory
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            os.environ["PYTHONDONTWRITEBYTECODE"] = told


def pytest_configure(config: pytest.Config) -> None:
    stack = ExitStack()
    stack.enter_context(bytecode())
    config.add_cleanup(stack.close)
