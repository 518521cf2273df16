"""How often an event is tried, how long, and when a receiver is left alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.webhooks.schedule import (
    BREAKER_FAILURES,
    BREAKER_LONGEST_S,
    LONGEST_DELAY_S,
    PASSING_AGE_S,
    TERMINAL_AGE_S,
    Breaker,
    RetryPolicy,
)

DAY_S = 86_400.0


def lifetime(policy: RetryPolicy, *, terminal: bool, chance: float) -> tuple[int, float]:
    """Attempts made of an event that nobody takes, and the seconds between the first and the last."""
    age, attempts = 0.0, 1
    while (delay := policy.delay(attempts, terminal=terminal, age_s=age, chance=chance)) is not None:
        age += delay
        attempts += 1
    return attempts, age


@given(chance=st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_the_end_of_a_call_is_tried_eight_times_over_most_of_a_day_and_never_longer(chance):
    attempts, seconds = lifetime(RetryPolicy(8), terminal=True, chance=chance)
    assert attempts == 8
    assert 0.85 * DAY_S < seconds < DAY_S


@given(chance=st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_other_events_are_tried_five_times_within_a_quarter_of_an_hour(chance):
    attempts, seconds = lifetime(RetryPolicy(8), terminal=False, chance=chance)
    assert attempts == 5
    assert 600 < seconds < 900


@given(
    attempts=st.integers(1, 20),
    attempt=st.integers(1, 1000),
    terminal=st.booleans(),
    age=st.floats(0, 2 * DAY_S),
    chance=st.floats(0, 1),
    asked=st.floats(0, 1e9),
)
@settings(deadline=None, max_examples=200)
def test_a_delay_is_bounded_grows_and_honours_what_the_receiver_asks(attempts, attempt, terminal, age, chance, asked):
    policy = RetryPolicy(attempts)
    delay = policy.delay(attempt, terminal=terminal, age_s=age, chance=chance, at_least_s=asked)
    if attempt >= attempts or age > (TERMINAL_AGE_S if terminal else PASSING_AGE_S):
        assert delay is None
    if delay is not None:
        assert 5 <= delay <= LONGEST_DELAY_S
        assert delay >= min(asked, LONGEST_DELAY_S)
        sooner = policy.delay(attempt - 1, terminal=terminal, age_s=age, chance=chance) if attempt > 1 else 0.0
        assert sooner is None or delay >= sooner


def test_a_receiver_is_dead_after_five_failures_in_a_row_and_alive_after_one_success():
    breaker = Breaker()
    for _ in range(BREAKER_FAILURES - 1):
        assert not breaker.failed(0.0)
    assert breaker.allowance(8) == 8
    assert not breaker.succeeded()
    assert [breaker.failed(0.0) for _ in range(BREAKER_FAILURES)] == [False] * (BREAKER_FAILURES - 1) + [True]
    assert breaker.open
    assert breaker.allowance(8) == 1
    assert breaker.wait_s(0.0) == 5
    assert breaker.wait_s(5.0) == 0
    assert breaker.succeeded()
    assert not breaker.open
    assert breaker.wait_s(0.0) == 0


@given(failures=st.integers(BREAKER_FAILURES, 200))
@settings(deadline=None, max_examples=30)
def test_a_dead_receiver_is_tried_at_least_once_a_minute(failures):
    breaker, now = Breaker(), 0.0
    for _ in range(failures):
        now += breaker.wait_s(now)
        breaker.failed(now)
        assert breaker.wait_s(now) <= BREAKER_LONGEST_S
    assert breaker.wait_s(now) > 0
