"""The figures as they come: a row each, with its unit, its rounds, its rival and its goal, as Markdown or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Literal

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """What a figure is to be; `of` the figure itself or of its ratio to its rival."""

    sign: Literal["≥", "≤"]
    bound: float
    of: Literal["value", "ratio"] = "value"

    def is_met(self, figure: float) -> bool:
        return figure >= self.bound if self.sign == "≥" else figure <= self.bound


class Row(msgspec.Struct, frozen=True):
    """`value` is none where it could not be measured; `note` says why, or what it stands for."""

    part: str
    what: str
    value: float | None
    unit: str
    rounds: int = 1
    ratio: float | None = None
    rival: str = ""
    goal: Goal | None = None
    note: str = ""
    failed: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.goal is None or (self.value is None and not self.failed):
            return None
        figure = self.value if self.goal.of == "value" else self.ratio
        return figure is not None and self.goal.is_met(figure)

    def markdown(self) -> str:
        figure = "–" if self.value is None else f"{number(self.value)} {self.unit}".rstrip()
        beside = "" if self.ratio is None else f"{number(self.ratio)} × {self.rival}"
        goal = "" if self.goal is None else f"{self.goal.sign} {self.goal.bound:,g}".replace(",", " ")
        if self.goal is not None and self.goal.of == "ratio":
            goal += " ×"
        verdict = {None: "", True: ": met", False: ": **missed**"}[self.is_met]
        what = f"{self.what} ({self.note})" if self.note else self.what
        what = what.replace("|", "/")
        return f"| {what} | {figure} | {self.rounds if self.value is not None else ''} | {beside} | {goal}{verdict} |"


HEAD = "| what | figure | rounds | beside its rival | goal |\n|---|---|---|---|---|"


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    size = abs(value)
    digits = 0 if size >= 100 or not value else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace(",", " ")


Tell = Callable[[Row], None]


class Board:
    """What a part of the bench tells its figures to; earlier ones can be looked up."""

    def __init__(self, part: str, tell: Tell, earlier: list[Row] | None = None) -> None:
        self.part = part
        self.forward = tell
        self.rows: list[Row] = list(earlier or [])

    def tell(
        self,
        what: str,
        value: float | None,
        unit: str = "",
        rounds: int = 1,
        *,
        ratio: float | None = None,
        rival: str = "",
        goal: Goal | None = None,
        note: str = "",
    ) -> None:
        self.put(Row(self.part, what, value, unit, rounds, ratio, rival, goal, note))

    def miss(self, what: str, why: str, goal: Goal | None = None) -> None:
        """A figure that there is not, and nobody is to blame."""
        self.put(Row(self.part, what, None, "", 0, goal=goal, note=f"not measured: {why}"))

    def fail(self, what: str, why: str, goal: Goal | None = None) -> None:
        """A figure that there should have been."""
        self.put(Row(self.part, what, None, "", 0, goal=goal, note=f"failed: {why}", failed=True))

    def put(self, row: Row) -> None:
        self.rows.append(row)
        self.forward(row)

    def known(self, what: str) -> float | None:
        """The figure of an earlier row, of this part or of another one in the same run."""
        return next((row.value for row in reversed(self.rows) if row.what == what), None)


def as_line(row: Row) -> str:
    """For another process; `from_line` reads it."""
    return msgspec.json.encode(row).decode()


def from_line(line: bytes) -> Row | None:
    """None: something else that was printed."""
    try:
        return msgspec.json.decode(line, type=Row)
    except msgspec.DecodeError:
        return None


def print_json(machine: dict[str, object], rows: list[Row]) -> None:
    figures = [{**msgspec.to_builtins(row), "met": row.is_met} for row in rows]
    json.dump({"machine": machine, "rows": figures}, sys.stdout, ensure_ascii=False, indent=2)
    print()
