"""`python -m tests.bench.forms`: a whole call in the core, compiled (`make compiled`) and plain, in turn."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-compiled" / "bin" / "python"
SECONDS = 100
# The tests come last, so that what is installed goes before what lies here.
LOOK = "import sys; sys.path.append({root!r})\nfrom c2c_b2bua import form\n"
WHOSE = LOOK + "print(form.form(), form.__file__)"
COST = LOOK + "from tests.bench.replay import whole_call\nprint(whole_call({calls}, 3))"


class NotCompiledError(Exception):
    """There is no compiled form of these files."""


def told(python: str, code: str) -> str:
    """What Python prints that has nothing of this folder or the environment on its path."""
    command = (python, "-P", "-E", "-c", code)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout.strip()


def check() -> None:
    """NotCompiledError, unless the compiled form is there and made of the files that are here."""
    if not PYTHON.exists():
        raise NotCompiledError("make compiled builds it")
    form, file = told(str(PYTHON), WHOSE.format(root=str(ROOT))).split(" ", 1)
    if form != "compiled":
        raise NotCompiledError("it could not be compiled here")
    package = Path(file).parent
    here = ROOT / "c2c_b2bua"
    for path in here.rglob("*.py"):
        other = package / path.relative_to(here)
        if not other.exists() or other.read_bytes() != path.read_bytes():
            raise NotCompiledError(f"{path.relative_to(ROOT)} has changed since: make compiled")


def costs(calls: int, rounds: int) -> tuple[float, float]:
    """Microseconds of CPU of a call: plain, compiled. The same Python, in turn, medians."""
    check()
    plain = COST.format(root=str(ROOT), calls=calls)
    # Without what is installed there, the plain files here are found.
    hidden = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{plain}"
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for which, code in zip(spent, (hidden, plain), strict=True):
            which.append(float(told(str(PYTHON), code)))
    return median(spent[0]), median(spent[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.forms", description=__doc__)
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        plain, compiled = costs(options.calls, options.rounds)
    except NotCompiledError as reason:
        sys.exit(f"not compiled: {reason}")
    print(
        f"{plain:6.1f} µs of CPU for a call in the core, plain\n{compiled:6.1f} µs compiled, {plain / compiled:.2f} ×"
    )


if __name__ == "__main__":
    main()
