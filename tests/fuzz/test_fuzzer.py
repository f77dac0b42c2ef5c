"""libFuzzer on every property, for a moment; longer by hand: `python -m tests.fuzz --seconds 600`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import PROPERTIES, figure, find, fuzz
from tests.fuzz.seeds import seeds

pytest.importorskip("atheris", reason="there is no atheris for this Python or machine")


@pytest.mark.parametrize("name", PROPERTIES)
def test_property(name: str, tmp_path: Path) -> None:
    done = fuzz(name, 2, tmp_path, seed=1)
    assert done.returncode == 0, find(done)
    assert int(figure(done.stderr, "number_of_executed_units")) > len(seeds(name))


def test_what_does_not_hold_is_found(tmp_path: Path) -> None:
    done = fuzz("nothing_begins_with_sip", 10, tmp_path, seed=1)
    assert done.returncode != 0
    assert "it does" in find(done)
    assert list(tmp_path.glob("nothing_begins_with_sip-crash-*"))
