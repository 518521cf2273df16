"""How far ahead sound is sent, and what is known to be played."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.transports.media_streams.sent_ahead import ECHO_GRACE_S, LEAD_S, SentAhead

LEAD = round(LEAD_S / 0.02)


@pytest.fixture
def ahead():
    return SentAhead()


def test_400_ms_may_be_sent_at_once_and_then_as_much_as_time_goes_by(ahead):
    assert ahead.room(5.0) == LEAD == 20
    ahead.sent(20, 5.0)
    assert ahead.room(5.0) == 0
    assert ahead.room(5.02) == 0, "the far end begins with its next 20 ms"
    assert ahead.room(5.12) == 5
    ahead.sent(5, 5.12)
    assert ahead.room(5.12) == 0
    assert ahead.room(9.0) == LEAD


def test_after_a_silence_the_clock_begins_anew(ahead):
    ahead.sent(3, 5.0)
    ahead.sent(20, 8.0)
    assert ahead.room(8.0) == 0
    assert ahead.room(8.04) == 1


def test_an_echo_says_what_is_played_and_the_clock_goes_on_from_it(ahead):
    ahead.sent(10, 5.0)
    name = ahead.mark(5.0)
    ahead.sent(10, 5.0)
    # The far end is 150 ms away there and back: its echo comes so much later than the sound's end by our clock.
    assert ahead.echoed(name, 5.35) == 10
    assert ahead.room(5.35) == 10
    assert ahead.room(5.45) == 15


def test_one_echo_stands_for_the_marks_before_it(ahead):
    names = []
    for _ in range(3):
        ahead.sent(5, 5.0)
        names.append(ahead.mark(5.0))
    assert ahead.echoed(names[1], 5.2) == 10
    assert ahead.echoed(names[0], 5.2) == 0
    assert ahead.echoed(names[2], 5.3) == 5
    assert ahead.echoed(names[2], 5.3) == 0


def test_an_echo_after_a_clear_means_that_it_was_thrown_away(ahead):
    ahead.sent(10, 5.0)
    name = ahead.mark(5.0)
    ahead.clear()
    assert ahead.room(5.1) == LEAD
    ahead.sent(10, 5.1)
    again = ahead.mark(5.1)
    assert again != name
    assert ahead.echoed(name, 5.15) == 0
    assert ahead.echoed(again, 5.3) == 10


def test_an_echo_that_does_not_come_is_not_waited_for_for_ever(ahead):
    ahead.sent(10, 5.0)
    ahead.mark(5.0)
    assert ahead.overdue_at == pytest.approx(5.0 + 0.2 + ECHO_GRACE_S, abs=0.03)
    assert ahead.overdue(5.0 + ECHO_GRACE_S) == 0
    assert ahead.overdue(5.3 + ECHO_GRACE_S) == 10
    assert ahead.overdue_at is None


@settings(deadline=None)
@given(st.floats(0, 0.17), st.integers(20, 400))
def test_however_far_the_carrier_is_it_never_runs_dry_nor_has_more_than_the_lead(delay, packets):
    """One direction takes ``delay`` seconds: sound that is sent is there so much later, and so is an echo."""
    ahead, sent, echoes, arrivals = SentAhead(), 0, [], []
    played, stutters = 0, 0
    for tick in range(packets * 3):
        now = tick * 0.02
        for at, name in [*echoes]:
            if at <= now:
                echoes.remove((at, name))
                ahead.echoed(name, now)
        while sent < packets and (room := min(ahead.room(now), packets - sent, 10 - ahead.unmarked)):
            sent += room
            ahead.sent(room, now)
            arrivals.append((now + delay, room, sent, ahead.mark(now)))
        there = sum(count for at, count, _, _ in arrivals if at <= now)
        assert there - played <= LEAD
        if there > played:
            played += 1
        elif 0 < played < packets:
            stutters += 1
        for at, _, position, name in arrivals:
            if at <= now and position == played:
                echoes.append((now + 0.02 + delay, name))
    assert played == packets
    assert not stutters
