"""One property under libFuzzer: `python -m tests.fuzz.fuzzer PROPERTY [libFuzzer's own options]`; it never returns."""

from __future__ import annotations

import importlib
import sys

import atheris


def nothing_begins_with_sip(data: bytes) -> None:
    """A property that does not hold, so that it is seen that such are found."""
    assert data[:3] != b"SIP", "it does"


def main() -> None:
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["c2c_b2bua", "api"]):
        properties = importlib.import_module("tests.fuzz.properties")
    prove = nothing_begins_with_sip if name == nothing_begins_with_sip.__name__ else getattr(properties, name)
    atheris.Setup([sys.argv[0], *options], prove)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
