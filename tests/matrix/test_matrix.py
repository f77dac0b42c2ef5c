"""Every ladder with everything that can go wrong in it: no call hangs, nobody is left ringing, every record is right."""

from __future__ import annotations

from typing import Any

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Forget, Send, Work
from c2c_b2bua.transaction.layer import BRIEF, LASTING
from c2c_b2bua.transaction.timers import Timers
from tests.call.ladder import Ladder, ladders
from tests.call.phone_memory import PORTS
from tests.matrix.__main__ import GUIDE, written
from tests.matrix.fault import KINDS
from tests.matrix.matrix import Case, case_of, cases, drawn, table, tried, try_out
from tests.matrix.stage import DONE
from tests.test_interop_table import TESTS, is_there

LADDERS = ladders()
NAMES = [ladder.name for ladder in LADDERS]


@pytest.mark.parametrize("ladder", LADDERS, ids=NAMES)
def test_undisturbed(ladder: Ladder) -> None:
    """The phones follow the ladder to the last line, and the record is the one that it asks for."""
    case = case_of(ladder)
    stage, wrong = try_out(case, None)
    left = [str(line) for line, state in zip(case.script.lines, stage.state, strict=True) if state != DONE]
    assert not wrong and not left, drawn(case, None, stage, [*wrong, *left])
    (_, ended), = stage.ended  # fmt: skip
    for expectation in case.script.expectations:
        path, _, wanted = expectation.partition("=")
        leg, dot, name = path.partition(".")
        part: Any = next(one for one in ended.record.legs if one.leg == leg) if dot else ended.record
        assert str(getattr(part, name if dot else path)) == wanted, expectation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ladder", LADDERS, ids=NAMES)
def test_matrix(ladder: Ladder, kind: str) -> None:
    """All faults of one kind in one ladder."""
    case = case_of(ladder)
    faults = [fault for fault in case.faults if fault.kind == kind]
    if not faults:
        pytest.skip("nothing of this kind can happen here")
    for fault in faults:
        stage, wrong = try_out(case, fault)
        assert not wrong, drawn(case, fault, stage, wrong)


# ── the matrix itself ────────────────────────────────────────────────────────────────────────────────────────────────


class NeverCancels(B2bua):
    def settle(self, work: Work, now: float) -> Work:
        return [one for one in super().settle(work, now) if not (isinstance(one, Send) and one.data[:6] == b"CANCEL")]


class NeverHangsUp(B2bua):
    """It says BYE to the first phone only."""

    def settle(self, work: Work, now: float) -> Work:
        return [
            one
            for one in super().settle(work, now)
            if not (isinstance(one, Send) and one.data[:3] == b"BYE" and one.flow.port >= PORTS["B"])
        ]


class Without(Timers):
    """Some timers are never set."""

    def __init__(self, *names: str) -> None:
        super().__init__(BRIEF, LASTING)
        self.never = names

    def set(self, at: float, key: str, name: str) -> None:
        if name not in self.never:
            super().set(at, key, name)


class NeverRepeats(B2bua):
    def __init__(self, interfaces: Interfaces, tokens: Tokens, answer_strangers: bool = False) -> None:
        super().__init__(interfaces, tokens, answer_strangers)
        self.timers = Without("A", "E", "G")


class NeverGivesUp(B2bua):
    def __init__(self, interfaces: Interfaces, tokens: Tokens, answer_strangers: bool = False) -> None:
        super().__init__(interfaces, tokens, answer_strangers)
        self.timers = Without("ring", "reinvite", "B")


class Forgets(B2bua):
    """It leaves its calls where they are."""

    def forget(self, action: Forget, now: float) -> Work:
        return [] if action.key in self.calls else super().forget(action, now)


class Mistaken(B2bua):
    """Its records have something changed in them."""

    def settle(self, work: Work, now: float) -> Work:
        out = super().settle(work, now)
        for one in out:
            if isinstance(one, CallEnded):
                self.change(one.record)
        return out

    def change(self, record: CallRecord) -> None:
        raise NotImplementedError


class WrongWho(Mistaken):
    def change(self, record: CallRecord) -> None:
        record.ended_by = "api"


class WrongCause(Mistaken):
    def change(self, record: CallRecord) -> None:
        record.cause = "NORMAL_CLEARING"


class WrongCode(Mistaken):
    def change(self, record: CallRecord) -> None:
        record.sip_code = 500


class WrongLegCode(Mistaken):
    def change(self, record: CallRecord) -> None:
        record.legs[-1].sip_code = 500


class WrongTime(Mistaken):
    def change(self, record: CallRecord) -> None:
        record.legs[0].answered_at = record.accepted_at


class Talkative(B2bua):
    """It says twice that a call has ended."""

    def settle(self, work: Work, now: float) -> Work:
        out = super().settle(work, now)
        return [*out, *(one for one in out if isinstance(one, CallEnded))]


class Raises(B2bua):
    def cancelled(self, owner: str, key: str, now: float) -> Work:
        raise KeyError(key)


CORES = [
    NeverCancels, NeverHangsUp, NeverRepeats, NeverGivesUp, Forgets, WrongWho, WrongCause, WrongCode, WrongLegCode,
    WrongTime, Talkative, Raises,
]  # fmt: skip


@pytest.mark.parametrize("core", CORES, ids=[core.__name__ for core in CORES])
def test_a_core_that_errs_is_found(core: type[B2bua]) -> None:
    assert any(try_out(case, fault, core)[1] for case in some() for fault in case.faults)


def some() -> list[Case]:
    return [case for case in cases() if case.ladder.name in ("b_busy", "b_never_answers", "reinvite_is_cancelled")]


def test_a_variant_that_fails_is_drawn() -> None:
    case = next(case for case in cases() if case.ladder.name == "b_never_answers")
    fault = next(fault for fault in case.faults if fault.kind == "lost once")
    stage, wrong = try_out(case, fault, NeverCancels)
    text = drawn(case, fault, stage, wrong)
    assert "b_never_answers, lost once: A <- INVITE held (line 1):\n" in text
    assert "B rings for ever" in text and "B was not told" in text
    assert "A <- INVITE sip:1001@192.0.2.10:5070  (1 INVITE)   [lost once]\n" in text


# ── docs/reliability.md ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_guide_has_the_matrix() -> None:
    """A new ladder is more of it."""
    counts = tried()
    assert written() == table(counts, counts), "python -m tests.matrix --write"


def test_each_promise_of_the_guide_names_tests_that_are_there() -> None:
    rows = [line.split(" | ") for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if len(row) == 2 and row[0] != "| promised"]
    assert len(promises) >= 20
    for promise, tests in promises:
        named = [part.removeprefix("tests/") for part in tests.split("`")[1::2]]
        assert named, promise
        path = ""
        for name in named:
            path = name.partition("::")[0] if not name.startswith("…") else path
            whole = name.replace("…", path)
            assert is_there(whole) if "::" in name else (TESTS / name).is_file(), f"{whole} is not there: {promise}"
