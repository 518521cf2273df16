"""Keys that are pressed, and the PIN before the agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.actors.keys import PAUSE_S, Keys
from openclaw_actors.actors.peer_ear import parse_command
from openclaw_actors.actors.pin import TRIES, PinDoor
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Dtmf, KeysPaused


@pytest.fixture
def keys():
    taken, timers = [], []
    pressed = Keys(lambda delay, message: timers.append((delay, message)), taken.append)
    pressed.taken, pressed.timers = taken, timers
    return pressed


def test_keys_are_one_line_up_to_the_hash(keys):
    for key in "12#34#":
        keys.press(key)
    assert keys.taken == ["12", "34"]


def test_a_pause_ends_the_line_and_a_pause_that_was_none_does_not(keys):
    keys.press("1")
    keys.press("2")
    (_, first), (delay, second) = keys.timers
    assert delay == PAUSE_S
    keys.paused(first.count)
    assert keys.taken == []
    keys.paused(second.count)
    assert keys.taken == ["12"]
    keys.paused(second.count)
    assert keys.taken == ["12"]


def test_a_hash_alone_is_a_key(keys):
    keys.press("#")
    assert keys.taken == ["#"]


@given(st.text(alphabet="0123456789ABCD*#", max_size=300))
def test_no_key_is_lost_and_no_line_grows_without_end(pressed):
    taken, timers = [], []
    keys = Keys(lambda _, message: timers.append(message), taken.append)
    keys.press(pressed)
    if timers:
        keys.paused(timers[-1].count)
    assert "".join(taken).replace("#", "") == pressed.replace("#", "")
    assert all(len(line) <= 64 for line in taken)
    assert all(isinstance(timer, KeysPaused) for timer in timers)


def test_a_browser_sends_keys_as_a_command():
    assert parse_command({"type": "dtmf", "digits": "12a#"}) == Dtmf("12A#")
    for digits in (None, "", 12, "12x", "1" * 65, "w"):
        with pytest.raises(RefusalError, match="dtmf needs digits"):
            parse_command({"type": "dtmf", "digits": digits})


def test_the_pin_opens_by_keys_or_voice():
    for text in ("[keys pressed] 4 7 1 1", "four seven one one", "My PIN is 4711.", "Four, seven, double one!"):
        assert PinDoor("4711").judge(text) == "right"


def test_a_part_of_it_waits_for_the_rest_and_other_words_are_no_try():
    door = PinDoor("4711")
    assert door.judge("four seven") == "more"
    assert door.judge("four seven one one") == "right"
    assert door.judge("I want to ask for the weather") == "nothing"
    assert door.tries_left == TRIES


def test_three_wrong_ones_close_it_for_good():
    door = PinDoor("4711")
    assert [door.judge(f"471{n}") for n in (2, 3, 4)] == ["wrong", "wrong", "refused"]
    assert door.judge("4711") == "refused"


@given(st.text())
def test_nothing_but_the_pin_is_right(text):
    said = PinDoor("470811").judge(text)
    assert said != "right" or "470811" in "".join(filter(str.isdigit, text))
