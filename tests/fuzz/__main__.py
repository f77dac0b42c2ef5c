"""Fuzzes what reads bytes: `python -m tests.fuzz [--seconds N] [PROPERTY …]`, each property for that long.

The properties are the functions of `tests/fuzz/properties.py`. What is found is named, and shown with its traceback; put the
file into tests/messages/found/PROPERTY and the suite will try it for ever.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz import seeds

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = ("message", "stream", "description", "values", "challenge", "binding_request", "json_body")
DICTIONARY = Path(__file__).with_name("sip.dict")
SLOW = 5
"""Seconds after which one input is a find of its own."""


def fuzz(name: str, seconds: int, folder: Path, seed: int = 0) -> subprocess.CompletedProcess[str]:
    """Fuzz one property; `folder` keeps what was tried with success, from one time to the next. `seed` 0: another each time."""
    corpus = folder / name
    seeds.write(name, corpus)
    command = [
        sys.executable, "-m", "tests.fuzz.fuzzer", name, f"-max_total_time={seconds}", f"-seed={seed}",
        f"-timeout={SLOW}", "-max_len=65536", "-len_control=10", f"-dict={DICTIONARY}", "-print_final_stats=1",
        f"-artifact_prefix={folder / name}-", str(corpus),
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)


def figure(log: str, name: str) -> str:
    """One of libFuzzer's final statistics."""
    return next((line.split()[-1] for line in log.splitlines() if line.startswith(f"stat::{name}")), "?")


def find(done: subprocess.CompletedProcess[str]) -> str:
    """The traceback, and which file holds the input."""
    return (
        done.stdout.strip()
        + "\n"
        + "\n".join(line for line in done.stderr.splitlines() if "ERROR" in line or "unit" in line)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("properties", nargs="*", metavar="PROPERTY", help=", ".join(PROPERTIES))
    parser.add_argument("--seconds", type=int, default=60, help="for each property (default: 60)")
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz", help="folder that inputs are kept in (.fuzz)")
    options = parser.parse_args()
    if unknown := set(options.properties) - set(PROPERTIES):
        parser.error(f"no property is called {', '.join(sorted(unknown))}: there are {', '.join(PROPERTIES)}")
    failed = False
    for name in options.properties or PROPERTIES:
        done = fuzz(name, options.seconds, options.corpus)
        runs = figure(done.stderr, "number_of_executed_units")
        print(f"{name:<16} {runs:>12} inputs tried  {'found something' if done.returncode else 'holds'}", flush=True)
        if done.returncode:
            failed = True
            print(find(done))
    sys.exit(failed)


if __name__ == "__main__":
    main()
