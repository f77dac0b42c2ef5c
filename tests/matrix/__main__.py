"""`python -m tests.matrix [--write] [LADDER …]`: plays the matrix, or that of some ladders, and prints it as a table.

`--write` puts the table into `docs/reliability.md`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from tests.matrix.invariant import could_not_be_told
from tests.matrix.matrix import cases, drawn, group_of, table, try_out

GUIDE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- python -m tests.matrix --write -->\n", "<!-- end of the matrix -->\n"


def main(*words: str) -> int:
    names = [word for word in words if not word.startswith("-")]
    started, tried, passed = time.perf_counter(), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    shown = untold = 0
    for case in cases():
        if names and case.ladder.name not in names:
            continue
        for fault in case.faults:
            stage, wrong = try_out(case, fault)
            key = fault.kind, group_of(case)
            tried[key] += 1
            passed[key] += not wrong
            untold += bool(could_not_be_told(stage, case.busy))
            if wrong and (shown := shown + 1) <= 3:
                print(drawn(case, fault, stage, wrong), file=sys.stderr)
    seconds = time.perf_counter() - started
    text = table(tried, passed)
    print(
        f"{text}\n{tried.total()} variants, {passed.total()} passed; in {untold} a phone could not be told; {seconds:.0f} s"
    )
    if "--write" in words and not names:
        write(text)
    return int(passed != tried)


def write(text: str) -> None:
    before, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    GUIDE.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")


def written() -> str:
    """The table in the guide."""
    return GUIDE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
