"""The whole matrix: the ladders by what they are about, what can go wrong in each, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from c2c_b2bua.b2bua import B2bua
from tests.call.ladder import Ladder, ladders
from tests.matrix.fault import KINDS, Fault, faults
from tests.matrix.invariant import complaints
from tests.matrix.script import Script
from tests.matrix.stage import Stage

NO_A, NO_B, JOINED, TALKING, OFFERS, SEVERAL, REFERS = (
    "A is not reached",
    "B is not reached",
    "joined and hung up",
    "while both talk",
    "offers made late or early",
    "several phones or trunks",
    "REFER and transfers",
)
GROUPS = (NO_A, NO_B, JOINED, TALKING, OFFERS, SEVERAL, REFERS)


@dataclass(frozen=True)
class Case:
    """A ladder, and how it goes when nothing goes wrong."""

    ladder: Ladder
    script: Script
    undisturbed: Stage
    busy: frozenset[str]
    """Phones that the ladder itself leaves with a call."""

    @property
    def faults(self) -> Iterator[Fault]:
        return faults(self.script, self.undisturbed)


@cache
def case_of(ladder: Ladder) -> Case:
    script = Script(ladder)
    stage = Stage(ladder, script)
    stage.run()
    return Case(ladder, script, stage, frozenset(name for name, phone in stage.phones.items() if not phone.is_idle))


def cases() -> list[Case]:
    return [case_of(ladder) for ladder in ladders()]


def group_of(case: Case) -> str:
    """What a ladder is about, as its lines show."""
    lines, order = case.script.lines, case.ladder.order
    answers = {
        line.leg[0]
        for place, line in enumerate(lines)
        if line.is_from_phone and line.what == "200" and lines[case.script.answers[place]].what == "INVITE"
    }
    if any(line.what == "REFER" for line in lines) or "refer" in case.ladder.text.partition("\n")[0]:
        return REFERS
    if any(name.endswith(("_beside", "_instead")) for name in order):
        return SEVERAL
    if "traits" in order or any(line.what == "PRACK" for line in lines):
        return OFFERS
    if "A" not in answers:
        return NO_A
    if "B" not in answers:
        return NO_B
    asks = {line.what for line in lines if line.leg and not line.is_response}
    return TALKING if asks - {"INVITE", "ACK", "BYE", "CANCEL"} or holds(case) else JOINED


def holds(case: Case) -> bool:
    """A phone makes an offer of its own."""
    return any(line.is_from_phone and line.what == "INVITE" for line in case.script.lines)


def try_out(case: Case, fault: Fault | None, core: type[B2bua] = B2bua) -> tuple[Stage, list[str]]:
    """One variant, and what is wrong with how it went."""
    stage = Stage(case.ladder, case.script, fault, core)
    try:
        stage.run()
    except Exception as error:  # noqa: BLE001 - whatever the core raises is a finding
        return stage, [f"{type(error).__name__}: {error}"]
    return stage, list(complaints(stage, case.busy))


def drawn(case: Case, fault: Fault | None, stage: Stage, wrong: list[str]) -> str:
    """A variant that went wrong, as a ladder."""
    what = fault.said(case.script) if fault is not None else "nothing went wrong"
    return "\n".join([f"{case.ladder.name}, {what}:", *(f"  {one}" for one in wrong), stage.drawn()])


Counts = Counter[tuple[str, str]]
"""(kind, group) -> how many variants."""


def tried() -> Counts:
    """How many variants there are; to know that, each ladder has to be played only once."""
    return Counter((fault.kind, group_of(case)) for case in cases() for fault in case.faults)


def table(tried: Counts, passed: Counts) -> str:
    """Kinds of faults down, groups of ladders across: how many were tried, and how many passed where that is not all."""
    sizes = Counter(map(group_of, cases()))

    def cell(keys: list[tuple[str, str]]) -> str:
        all_of_them, good = sum(tried[key] for key in keys), sum(passed[key] for key in keys)
        return f"{good} of {all_of_them}" if good != all_of_them else str(all_of_them)

    rows = [
        ["fault", *GROUPS, "all"],
        ["---", *["--:"] * (len(GROUPS) + 1)],
        ["ladders", *(str(sizes[group]) for group in GROUPS), str(sum(sizes.values()))],
        *(
            [kind, *(cell([(kind, group)]) for group in GROUPS), cell([(kind, group) for group in GROUPS])]
            for kind in KINDS
        ),
        [
            "all",
            *(cell([(kind, group) for kind in KINDS]) for group in GROUPS),
            cell([(kind, group) for kind in KINDS for group in GROUPS]),
        ],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
