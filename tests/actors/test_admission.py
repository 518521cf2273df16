"""The limit that is found out: it falls when calls suffer, comes back slowly, and never swings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.actors.admission import (
    CALM_FOR_S,
    CALM_LAG_S,
    CALM_WAIT_S,
    MOST,
    START,
    STEP_S,
    STRAINED_FOR_S,
    STRAINED_LAG_S,
    STRAINED_WAIT_S,
    Capacity,
    Load,
)

CALM = Load(0.005, 0.0)
LATE = Load(0.4, 0.0)
QUEUED = Load(0.005, 3.0)
BETWEEN = Load((CALM_LAG_S + STRAINED_LAG_S) / 2, 0.0)

loads = st.builds(Load, st.floats(0, 5), st.floats(0, 30))
seconds = st.lists(st.tuples(loads, st.integers(0, MOST)), max_size=200)


def look(capacity: Capacity, load: Load, calls: int, since: float, count: int) -> list[int]:
    """The limits of ``count`` seconds of the same load."""
    return [capacity.look(load, calls, since + second) for second in range(1, count + 1)]


@given(seconds)
def test_it_is_always_at_least_one_call_and_never_more_than_was_measured(course):
    capacity = Capacity()
    for now, (load, calls) in enumerate(course):
        assert 1 <= capacity.look(load, calls, float(now)) <= MOST


@given(seconds)
def test_it_never_rises_while_calls_suffer_and_never_falls_while_they_do_not(course):
    capacity = Capacity()
    before = capacity.limit
    for now, (load, calls) in enumerate(course):
        limit = capacity.look(load, calls, float(now))
        assert not (load.is_strained and limit > before)
        assert not (not load.is_strained and limit < before)
        before = limit


@given(seconds)
def test_two_steps_up_and_a_fall_are_apart(course):
    capacity = Capacity()
    before, fell_at, rose_at = capacity.limit, -CALM_FOR_S, -STEP_S
    for now, (load, calls) in enumerate(course):
        limit = capacity.look(load, calls, float(now))
        if limit > before:
            assert limit == before + 1
            assert now - fell_at >= CALM_FOR_S
            assert now - rose_at >= STEP_S
            rose_at = now
        elif limit < before:
            fell_at = now
        before = limit


@given(st.integers(0, MOST), st.integers(1, 500))
def test_between_calm_and_strained_nothing_changes(calls, count):
    capacity = Capacity()
    look(capacity, LATE, 20, 0, 8)
    limit = capacity.limit
    assert set(look(capacity, BETWEEN, calls, 8, count)) == {limit}


def test_one_bad_second_changes_nothing_and_five_in_a_row_do():
    capacity = Capacity()
    for start in range(0, 60, 3):
        assert look(capacity, LATE, 20, start, 2) == [START, START]
        assert capacity.look(CALM, 20, start + 3) == START
    falls = look(capacity, LATE, 20, 100, round(STRAINED_FOR_S) + 1)
    assert falls == [START] * round(STRAINED_FOR_S) + [18]
    assert "400 ms late" in capacity.why


def test_a_queue_of_a_worker_says_the_same_as_a_late_loop():
    capacity = Capacity()
    assert QUEUED.wait_s >= STRAINED_WAIT_S > CALM_WAIT_S
    look(capacity, QUEUED, 10, 0, 7)
    assert capacity.limit == 9
    assert "waits for 3.0 s" in capacity.why


def test_it_keeps_falling_with_the_calls_while_they_suffer():
    capacity = Capacity()
    look(capacity, LATE, 20, 0, 8)
    look(capacity, LATE, 16, 8, 8)
    assert capacity.limit == 14


def test_calm_brings_it_back_to_where_it_began_and_then_says_nothing_of_strain():
    capacity = Capacity()
    look(capacity, LATE, 20, 0, 8)
    limits = look(capacity, CALM, 2, 8, 60)
    assert limits[: round(CALM_FOR_S)] == [18] * round(CALM_FOR_S)
    assert limits[-1] == START
    assert capacity.why == ""


def test_it_rises_beyond_that_only_while_it_is_nearly_used_up():
    capacity = Capacity()
    assert set(look(capacity, CALM, START - 10, 0, 100)) == {START}
    limits = look(capacity, CALM, START - 1, 100, 30)
    assert limits[-1] == START + 2  # with so many calls it is no longer near
