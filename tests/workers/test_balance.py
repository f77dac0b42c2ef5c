"""Which calls the desk carries itself."""

from __future__ import annotations

from itertools import pairwise

import pytest

from c2c_b2bua.workers.balance import DESK_WORK, Balance, Seen


def share(balance: Balance, workers: int, calls: int = 1000) -> float:
    """The part of the next calls that is the desk's."""
    return sum(balance.is_for_desk(workers) for _ in range(calls)) / calls


def test_at_first_it_is_reckoned() -> None:
    # One worker: what the desk does for all, and for its own, is as much as the worker does for the others.
    assert share(Balance(), 1) == pytest.approx((1 - DESK_WORK) / 2, abs=0.01)
    # Three and more: the desk is full before they are.
    assert share(Balance(), 3) == 0.0


def test_the_first_call_is_a_worker_s_and_the_desk_s_are_spread() -> None:
    balance = Balance()
    turns = [place for place in range(40) if balance.is_for_desk(1)]
    assert turns[0] > 0
    gaps = {after - before for before, after in pairwise(turns)}
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("work", [0.3, 0.45, 0.6, 0.9])
def test_all_are_made_equally_busy(work: float, workers: int) -> None:
    """`work` is what a call costs the desk before anybody carries it, for each second that carrying costs."""
    balance, calls, each = Balance(), 300, 0.001
    desk, used = 0.0, [0.0] * workers
    for second in range(60):
        ours = share(balance, workers, calls) * calls
        last_desk, last_worker = desk, used[0]
        desk += each * (work * calls + ours)
        for number in range(workers):
            used[number] += each * (calls - ours) / workers
            balance.weigh(number, Seen(float(second), desk, used[number]))
    if workers * work < 1:
        assert desk - last_desk == pytest.approx(used[0] - last_worker, rel=0.05)
    else:
        assert ours == 0


def test_who_does_next_to_nothing_teaches_nothing() -> None:
    balance = Balance()
    for second in range(100):
        balance.weigh(1, Seen(float(second), 0.01 * second, 0.0))
    assert balance.desk_work == DESK_WORK


def test_another_process_is_not_compared_with_the_one_before() -> None:
    balance = Balance()
    balance.weigh(1, Seen(0.0, 100.0, 100.0))
    balance.weigh(1, Seen(1.0, 101.0, 0.5))
    assert balance.desk_work == DESK_WORK
    balance.weigh(1, Seen(2.0, 102.0, 1.0))
    assert balance.desk_work > DESK_WORK


def test_no_share_is_beyond_all_or_nothing() -> None:
    balance = Balance()
    for second in range(100):
        balance.weigh(1, Seen(float(second), float(second), 0.0))
    assert (balance.desk_work, share(balance, 1)) == (1.0, 0.0)
    for second in range(100, 200):
        balance.weigh(1, Seen(float(second), 99.0, float(second)))
    assert (balance.desk_work, share(balance, 1)) == (0.0, 0.5)
