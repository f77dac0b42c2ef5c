"""`c2c demo`, as `make demo` runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.command import run

README = Path(__file__).resolve().parents[1] / "README.md"
RUNG = re.compile(r"^ *\d+\.\d{3}  (│.*)$", re.M)
HEAD = re.compile(r"^seconds  A +c2c +B$", re.M)


async def test_the_demo(tmp_path: Path) -> None:
    outcome = await run("demo", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert outcome.code == 0, outcome
    assert outcome.err == ""
    assert HEAD.search(outcome.out)
    rungs = RUNG.findall(outcome.out)
    assert rungs == RUNG.findall(README.read_text(encoding="utf-8"))
    assert {len(rung) for rung in rungs} == {71}  # a terminal's 80 columns
    record = json.loads(outcome.out.partition("What history says:\n")[2].rpartition("\n\n")[0])
    assert record["result"] == "success"
    assert [leg["sip_code"] for leg in record["legs"]] == [200, 200]
    assert outcome.out.endswith("Bridged, and torn down with nothing left over.")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 (nothing else runs)
