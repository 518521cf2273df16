from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.turns.completeness import STATEMENT
from openclaw_actors.turns.endpoint_delay import EndpointDelay


def test_it_begins_as_set() -> None:
    assert EndpointDelay(200, 1500).ms == 200


def test_a_pause_makes_room_for_another_like_it() -> None:
    for pause in (250, 300, 600, 1000):
        delay = EndpointDelay(200, 1500)
        delay.pause(pause)
        assert pause < delay.ms < 1.25 * pause


def test_ten_whole_turns_bring_it_nearly_back() -> None:
    delay = EndpointDelay(200, 1500)
    delay.pause(600)
    assert delay.ms == 640
    for _ in range(10):
        delay.turn_was_whole()
    assert 200 < delay.ms < 300


def test_the_more_is_missing_the_longer_it_waits() -> None:
    delay = EndpointDelay(200, 1500)
    waits = [delay.after(score / 10) for score in range(11)]
    assert waits == sorted(waits, reverse=True)
    assert (waits[0], waits[1], waits[9], waits[10]) == (1500, 1500, 200, 200)
    assert 350 < delay.after(STATEMENT) < 400


def test_a_pause_that_the_words_announced_teaches_nothing() -> None:
    delay = EndpointDelay(200, 1500)
    delay.pause(1000, 0.1)
    assert delay.ms == 200
    delay.pause(1000, STATEMENT)
    assert delay.ms > 1000


def test_consonants_do_not_count_as_pauses() -> None:
    delay = EndpointDelay(200, 1500, 600)
    delay.pause(64)
    assert delay.ms == 600


def test_a_maximum_below_the_minimum_is_the_minimum() -> None:
    delay = EndpointDelay(400, 100)
    delay.pause(5000)
    assert delay.ms == 400


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 3000),
    st.floats(0, 3000),
    st.floats(0, 10_000),
    st.lists(st.none() | st.floats(0, 60_000), max_size=30),
)
def test_it_stays_within_its_bounds_whatever_the_caller_does(
    shortest: float, longest: float, learnt: float, turns: list[float | None]
) -> None:
    delay = EndpointDelay(shortest, longest, learnt)
    for pause in turns:
        if pause is None:
            delay.turn_was_whole()
        else:
            delay.pause(pause)
        assert shortest - 1e-6 <= delay.ms <= max(shortest, longest) + 1e-6
