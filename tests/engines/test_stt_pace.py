"""How often partials are asked for: by their price, and seldom when they have to queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.engines.stt.faster_whisper import widths
from openclaw_actors.engines.stt.pace import LONGEST_S, MOST_S, SHORTEST_S, Pace


def pace(price_s):
    pace = Pace()
    pace.worked(price_s, 1)
    return pace


@pytest.mark.parametrize(
    ("price_s", "every_s"), [(0.01, 0.3), (0.06, 0.3), (0.1, 0.5), (0.3, 1.5), (0.4, 2.0), (0.41, 0.0), (1.6, 0.0)]
)
def test_a_caller_takes_a_fifth_of_the_worker_and_a_slow_model_gives_no_partials(price_s, every_s):
    assert pace(price_s).every_s == pytest.approx(every_s)


def test_nothing_is_offered_before_anything_was_measured():
    assert Pace().every_s == 0


def test_a_batch_is_shared_by_its_jobs():
    together = Pace()
    together.worked(0.4, 4)
    assert together.every_s == pace(0.1).every_s


def test_a_price_that_rises_stops_partials_and_one_that_falls_brings_them_back():
    busy = pace(0.1)
    for _ in range(6):
        busy.worked(2.0, 1)
    assert busy.every_s == 0
    for _ in range(12):
        busy.worked(0.1, 1)
    assert 0 < busy.every_s < 1


def test_partials_that_queue_come_more_seldom_and_faster_again_when_they_do_not():
    crowded = pace(0.06)
    for _ in range(3):
        crowded.waited(queued_s=0.2, batch_s=0.1)
    assert crowded.every_s == pytest.approx(0.3 * 1.5**3)
    crowded.crowded()
    assert crowded.every_s == pytest.approx(0.3 * 1.5**4)
    for _ in range(60):
        crowded.waited(queued_s=0.01, batch_s=0.1)
    assert crowded.every_s == pytest.approx(0.3)


@pytest.mark.parametrize(("price_s", "at_once"), [(0.01, 40), (0.1, 4), (0.15, 2), (0.3, 1), (2.0, 1)])
def test_a_final_never_waits_long_for_partials(price_s, at_once):
    assert pace(price_s).at_once == at_once
    assert at_once == 1 or at_once * price_s <= MOST_S


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 64), st.floats(0, 10)), min_size=1, max_size=50))
def test_the_interval_stays_within_its_bounds(history):
    adaptive = Pace()
    for batch_s, jobs, queued_s in history:
        adaptive.worked(batch_s, jobs)
        adaptive.waited(queued_s, batch_s)
        assert adaptive.every_s == 0 or SHORTEST_S <= adaptive.every_s <= LONGEST_S
    assert MOST_S < LONGEST_S


@pytest.mark.parametrize(
    ("cores", "gpu", "expected"),
    [
        (1, False, (1, 1)),
        (2, False, (1, 1)),
        (4, False, (1, 3)),
        (8, False, (1, 4)),
        (16, False, (3, 4)),
        (128, False, (8, 4)),
        (16, True, (1, 4)),
    ],
)
def test_processes_and_threads_follow_the_machine(cores, gpu, expected):
    assert widths(cores, gpu=gpu) == expected
