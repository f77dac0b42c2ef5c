"""Timers come out by when they are due, whatever way they wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from c2c_b2bua.transaction.timers import SWEEPS, Timers

SOME = st.lists(st.tuples(st.floats(0, 100), st.sampled_from("ABKx")), max_size=40)


def popped(timers: Timers) -> list[tuple[float, str]]:
    found = []
    while timers.next_due is not None:
        at, _, key, _ = timers.pop()
        found.append((at, key))
    return found


@given(SOME)
def test_the_first_that_is_due_comes_first_and_equals_in_the_order_they_were_set(some: list[tuple[float, str]]) -> None:
    timers = Timers(("B", "K"))
    for number, (at, name) in enumerate(some):
        timers.set(at, str(number), name)
    assert len(timers) == len(some) == len([*timers])
    assert popped(timers) == sorted(((at, str(number)) for number, (at, _) in enumerate(some)), key=lambda one: one[0])
    assert not timers and [*timers] == []


@given(SOME, st.integers(0, 40))
def test_a_sweep_leaves_what_lives_and_what_is_brief(some: list[tuple[float, str]], living: int) -> None:
    timers = Timers(("B",), ("K",))
    for number, (at, name) in enumerate(some):
        timers.set(at, str(number), name)
    brief = {str(number) for number, (_, name) in enumerate(some) if name == "B"}
    alone = {key for _, _, key, _ in timers.heap} - {key for _, _, key, _ in [*timers.queues["B"]][:1]}
    left = {str(number) for number in range(min(living, len(some)))} | (brief - alone)
    timers.sweep(lambda key: int(key) < living)
    assert len(timers) == len([*timers]) == len(left)
    assert popped(timers) == sorted(
        ((at, str(number)) for number, (at, _) in enumerate(some) if str(number) in left), key=lambda one: one[0]
    )


def test_the_more_is_left_the_later_is_the_next_sweep() -> None:
    timers = Timers((), ("K",))
    for number in range(SWEEPS):
        assert timers.count < timers.sweep_at
        timers.set(float(number), str(number), "K")
    assert timers.count == timers.sweep_at
    timers.sweep(lambda key: False)
    assert (len(timers), timers.sweep_at) == (0, 2 * SWEEPS)
    for number in range(SWEEPS):
        timers.set(float(number), str(number), "K")
    timers.sweep(lambda key: True)
    assert (len(timers), timers.sweep_at) == (SWEEPS, 6 * SWEEPS)


def test_timers_of_a_lasting_name_stay_off_the_heap() -> None:
    timers = Timers(("B",))
    for number in range(100):
        timers.set(32.0 + number, "key", "B")
    assert (len(timers), len(timers.heap)) == (100, 1)
    timers.set(1.0, "key", "B")
    assert (timers.next_due, len(timers.heap)) == (1.0, 2)
