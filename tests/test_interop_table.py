"""docs/interop.md names tests that exist, and says of each failure which of them covers it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.call.ladder import docstrings
from tests.sipp.test_in_dialog import ROWS as IN_DIALOG
from tests.sipp.test_scenarios import ROWS as SCENARIOS

TESTS = Path(__file__).resolve().parent
GUIDE = (TESTS.parent / "docs" / "interop.md").read_text(encoding="utf-8")
NAME = re.compile(r"([\w/]+\.py)::(\w+)(?:\[([\w-]+)\])?")
NAMED = sorted(set(re.findall(r"`([^`]*::[^`]*)`", GUIDE)))
NOT_COVERED = re.compile(r"\*\*Not covered\*\*: \w.{20,}")
FAILURES = 28

PARAMETERS = {
    "call/test_ladders.py::test_ladder": {path.stem for path in (TESTS / "call" / "ladders").glob("*.txt")},
    "call/test_ladders.py::test_docstring": {ladder.name for ladder in docstrings()},
    "sipp/test_scenarios.py::test_a_call": {"-".join(filter(None, (row.a, row.b))) for row in SCENARIOS},
    "sipp/test_in_dialog.py::test_in_a_dialog": {f"{row.b}-{row.transport}" for row in IN_DIALOG},
}
"""Of those whose parameters are no strings in their decorator."""


@cache
def functions(path: str) -> dict[str, set[str]]:
    """The tests of a file, each with the strings in its decorators."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {
        node.name: {
            one.value
            for decorator in node.decorator_list
            for one in ast.walk(decorator)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def is_there(named: str) -> bool:
    """It can be run under this name."""
    found = NAME.fullmatch(named)
    if found is None or not (TESTS / found[1]).is_file():
        return False
    path, name, parameter = found.groups()
    tests = functions(path)
    return name in tests and (parameter is None or parameter in PARAMETERS.get(f"{path}::{name}", tests[name]))


def lines(title: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    text = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in cells] for cells in found[1:]]


def named_in(cell: str) -> list[str]:
    """A cell holds tests and nothing else, or –."""
    if cell == "–":
        return []
    found = [re.fullmatch("`([^`]+)`", part) for part in cell.split("<br>")]
    assert all(found), cell
    return [one[1] for one in found if one]


@pytest.mark.parametrize("named", NAMED)
def test_it_exists(named: str) -> None:
    assert is_there(named)


@pytest.mark.parametrize(
    "named",
    [
        "call/test_ladders.py::test_ladder[no_such_ladder]",
        "call/test_ladders.py::test_no_such_test",
        "call/test_no_such_file.py::test_ladder",
        "sipp/test_scenarios.py::test_a_call[a_answers-no_such_scenario]",
        "sipp/test_registrar.py::test_phones_register_and_are_called[tls]",
    ],
)
def test_one_that_does_not_is_found(named: str) -> None:
    assert not is_there(named)


def test_every_cell_names_tests() -> None:
    matrix = lines("Peer × behaviour")
    assert len({cells[0] for cells in matrix}) == len(matrix) > 30
    assert {len(cells) for cells in matrix} == {8}
    assert all(any(named_in(cell) for cell in cells[1:]) for cells in matrix)
    others = lines("Others")
    assert others and all(named_in(test) for _, _, test in others)


def test_every_failure_is_covered_or_says_why_not() -> None:
    failures = lines("Failures met in the wild")
    assert [cells[0] for cells in failures] == [str(number) for number in range(1, FAILURES + 1)]
    for _, failure, tests, remarks in failures:
        assert bool(named_in(tests)) != bool(NOT_COVERED.match(remarks)), failure
