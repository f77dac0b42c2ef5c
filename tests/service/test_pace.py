"""How fast a trunk is called: evenly, slower after a 503, not at all while it asks for that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.service.pace import Pace

NOW = 1_800_000_000.0


def passed(pace: Pace, now: float) -> bool:
    """One call, if it may go."""
    if pace.wait(now):
        return False
    pace.take(now)
    return True


def in_a_second(pace: Pace, now: float) -> int:
    """How many of a hundred a second go."""
    return sum(passed(pace, now + index / 100) for index in range(100))


def test_without_a_limit_everything_goes() -> None:
    pace = Pace(0)
    assert in_a_second(pace, NOW) == 100
    pace.refused(NOW + 1, None)
    assert in_a_second(pace, NOW + 1) == 100


@pytest.mark.parametrize(("limit", "at_once"), [(0.5, 1), (1, 1), (5, 5)])
def test_a_second_worth_goes_at_once(limit: float, at_once: int) -> None:
    pace = Pace(limit)
    assert [passed(pace, NOW) for _ in range(at_once + 1)] == [True] * at_once + [False]
    assert pace.wait(NOW) == pytest.approx(1 / limit, abs=1e-5)
    assert passed(pace, NOW + 1 / limit)


def test_a_503_halves_the_rate_and_time_wins_it_back() -> None:
    pace = Pace(16)
    in_a_second(pace, NOW)
    pace.refused(NOW + 1, None)
    rates = []
    for second in range(1, 61):
        pace.wait(NOW + second)
        rates.append(pace.rate)
    assert rates == [8] * 10 + [10] * 10 + [12] * 10 + [14] * 10 + [16] * 20
    assert in_a_second(pace, NOW + 1000) >= 16


def test_many_503_at_once_halve_it_once() -> None:
    pace = Pace(16)
    for index in range(50):
        pace.refused(NOW + index / 10, None)
    assert pace.rate == 8
    pace.refused(NOW + 10, None)
    assert pace.rate == 5, "won back two, then halved"


def test_it_is_never_slowed_down_to_nothing() -> None:
    pace = Pace(1)
    for index in range(1000):
        pace.refused(NOW + 10 * index, None)
    assert pace.rate == pytest.approx(1 / 8, abs=1 / 16)


def test_what_is_owed_stays_owed() -> None:
    pace = Pace(2)
    for _ in range(4):
        pace.take(NOW)
    assert pace.wait(NOW) == pytest.approx(1.5)
    pace.refused(NOW, None)
    assert pace.wait(NOW) == pytest.approx(3)
    pace.give_back()
    assert pace.wait(NOW) == pytest.approx(2)


@pytest.mark.parametrize(("asked", "seconds"), [(5, 5), (600, 600), (86_400, 600), (0, 0), (None, 0)])
def test_retry_after_pauses_it(asked: float | None, seconds: float) -> None:
    pace = Pace(0)
    pace.refused(NOW, asked)
    assert pace.wait(NOW) == seconds
    assert pace.wait(NOW + seconds) == 0


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pace = Pace(0)
    pace.refused(NOW, 60)
    pace.refused(NOW + 1, 5)
    assert pace.wait(NOW + 10) == 50


@given(st.floats(0.1, 50), st.integers(0, 20), st.integers(0, 120), st.booleans())
def test_calls_start_when_it_was_told(limit: float, before: int, pause: int, is_slow: bool) -> None:
    pace = Pace(limit)
    for _ in range(before):
        pace.take(NOW)
    if is_slow:
        pace.refused(NOW, pause)
    elif pause:
        pace.paused_until = NOW + pause
    pace.changed_at = NOW + 1e6  # no recovery meanwhile
    for index, at in enumerate(pace.starts(NOW, 10), 1):
        assert at >= NOW
        assert passed(pace, at + index * 1e-3)
