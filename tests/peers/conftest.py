"""A phone's network behind a NAT, where the machine lets us make one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .nat import Nat, UnavailableError


@pytest.fixture
def nat() -> Iterator[Nat]:
    try:
        with Nat() as made:
            yield made
    except UnavailableError as error:
        pytest.skip(str(error))
