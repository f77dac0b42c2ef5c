"""Token buckets, by example and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.throttle import Buckets, TokenBucket

START = 1_800_000_000.0
sizes = st.integers(1, 1000)
pauses = st.lists(st.floats(0, 30), min_size=1, max_size=200)


def test_a_full_bucket_gives_its_size_at_once_and_then_one_per_interval() -> None:
    bucket = TokenBucket(3, 3 / 60)
    assert [bucket.take(START) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(START) == pytest.approx(20)
    assert bucket.take(START + 19.9) > 0
    assert bucket.take(START + 20) == 0.0
    assert bucket.take(START + 20) == pytest.approx(20)


def test_a_refusal_takes_nothing() -> None:
    bucket = TokenBucket(1, 1)
    bucket.take(START)
    for _ in range(100):
        assert bucket.take(START + 0.5) == pytest.approx(0.5)
    assert bucket.take(START + 1) == 0.0


def test_a_cost_above_the_size_waits_for_a_full_bucket() -> None:
    bucket = TokenBucket(10, 1)
    assert bucket.take(START, 35) == 0.0
    assert bucket.take(START, 35) == pytest.approx(10)


def test_what_is_owed_is_paid_by_whoever_comes_next() -> None:
    bucket = TokenBucket(1, 1)
    assert (bucket.take(START), bucket.wait(START)) == (0.0, pytest.approx(1))
    bucket.owe(START)
    assert bucket.wait(START) == bucket.take(START) == pytest.approx(2)
    bucket.give_back()
    assert bucket.take(START + 1) == 0.0
    bucket.give_back()
    assert (bucket.wait(START + 1), bucket.take(START + 1)) == (0.0, 0.0)


@pytest.mark.parametrize(("size", "rate"), [(0, 1), (1, 0), (-1, 1)])
def test_a_bucket_without_room_or_rate_is_refused(size: float, rate: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TokenBucket(size, rate)


@given(sizes, pauses)
def test_never_more_than_size_plus_what_flowed_in(size: int, times: list[float]) -> None:
    bucket = TokenBucket(size, size / 60)
    now, taken = START, 0
    for pause in times:
        now += pause
        taken += bucket.take(now) == 0.0
        assert taken <= size + (now - START) * size / 60 + 0.001
        assert -0.001 <= bucket.tokens(now) <= size


@given(sizes, pauses)
def test_whoever_waits_as_long_as_told_is_let_in(size: int, times: list[float]) -> None:
    bucket = TokenBucket(size, size / 60)
    now = START
    for pause in times:
        now += pause
        wait = bucket.take(now)
        if wait:
            assert bucket.take(now + wait * 0.99 - 0.001) > 0
            now += wait
            assert bucket.take(now) == 0.0


def test_keys_have_buckets_of_their_own() -> None:
    buckets = Buckets()
    assert buckets.take("a", 1, 1, START) == 0.0
    assert buckets.take("b", 1, 1, START) == 0.0
    assert buckets.take("a", 1, 1, START) > 0


def test_a_changed_size_keeps_what_was_taken() -> None:
    buckets = Buckets()
    for _ in range(5):
        assert buckets.take("a", 10, 1, START) == 0.0
    assert [buckets.take("a", 6, 1, START) > 0 for _ in range(2)] == [False, True]


def test_full_buckets_are_dropped() -> None:
    buckets = Buckets()
    for number in range(100_000):
        buckets.take(str(number), 1, 1, START + number)
    assert len(buckets.buckets) <= 1024


def test_of_too_many_the_oldest_are_dropped() -> None:
    buckets = Buckets(most=2000)
    for number in range(10_000):
        buckets.take(str(number), 1, 0.0001, START)
    assert len(buckets.buckets) <= 2000
    assert "9999" in buckets.buckets
