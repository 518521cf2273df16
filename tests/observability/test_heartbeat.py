"""When a late loop is reported and when it is given up: on a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.observability.watchdog import Heartbeat


def looks(heart: Heartbeat, until: float, start: float = 0.0) -> list[tuple[float, str]]:
    """What is seen up to ``until`` by a thread that looks each quarter of a second, where it is not well."""
    times = [start + 0.25 * n for n in range(1, round((until - start) * 4) + 1)]
    return [(now, verdict) for now in times if (verdict := heart.look(now)) != "well"]


def test_a_loop_that_stands_still_has_its_stacks_dumped_once_and_is_then_given_up():
    seen = looks(Heartbeat(2, 10, 0.0), 11.0)
    assert seen == [(3.0, "dump"), (11.0, "abort")], "the first beat was due after one second"


def test_a_loop_that_comes_back_is_told_how_late_it_was_and_may_be_late_again():
    heart = Heartbeat(2, 10, 0.0)
    assert looks(heart, 5.0) == [(3.0, "dump")]
    assert heart.beat(5.0) == 4.0
    assert looks(heart, 9.0, 5.0) == [(8.0, "dump")]


def test_a_loop_that_is_a_little_late_is_well():
    heart = Heartbeat(2, 10, 0.0)
    for beat in range(1, 20):
        assert looks(heart, beat * 2.5, (beat - 1) * 2.5) == []
        assert heart.beat(beat * 2.5) == 0


def test_a_process_that_was_stopped_for_an_hour_has_all_its_time_anew():
    heart = Heartbeat(2, 10, 0.0)
    assert looks(heart, 0.5) == []
    assert heart.look(3600.0) == "well"
    assert looks(heart, 3602.75, 3600.0) == []
    assert looks(heart, 3611.0, 3602.75) == [(3603.0, "dump"), (3611.0, "abort")], "but it hangs after all"


@pytest.mark.parametrize(("dump_s", "abort_s", "seen"), [(0, 10, {"abort"}), (2, 0, {"dump"}), (0, 0, set())])
def test_nought_turns_either_off(dump_s, abort_s, seen):
    assert {verdict for _, verdict in looks(Heartbeat(dump_s, abort_s, 0.0), 60.0)[:2]} == seen


@given(st.lists(st.floats(0.05, 1.25), max_size=200), st.lists(st.floats(0.5, 2.9), max_size=60))
def test_a_loop_whose_heart_beats_in_time_is_never_taken_for_a_hung_one(pauses, beats):
    heart = Heartbeat(2, 10, 0.0)
    at, next_beat = 0.0, 0.0
    due = iter(beats)
    for pause in pauses:
        at += pause
        while next_beat <= at:
            heart.beat(next_beat)
            next_beat += next(due, 1.0)
        assert heart.look(at) == "well"
