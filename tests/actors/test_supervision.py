"""When a stage is restarted, when not any more, and what happens to its mail meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.actors.supervision import GiveUp, Intensity, Port, RestartAfter, RestartPolicy
from openclaw_actors.settings.sections import Supervision


def policy(call=None, uniform=lambda: 0.0, **settings):
    made = Supervision(**settings)
    return RestartPolicy(made, call or Intensity(made.call_restarts, made.call_period_s), uniform)


def test_the_first_restart_is_immediate_and_each_next_one_waits_longer():
    one = policy(stage_restarts=10, call_restarts=10)
    assert [one.down(now) for now in range(6)] == [RestartAfter(d) for d in (0, 0.25, 0.5, 1, 2, 2)]


def test_useful_work_begins_the_back_off_anew_but_not_the_intensity():
    one = policy()
    for now in (0, 1, 2):
        assert one.down(now) == RestartAfter(0)
        one.useful()
    assert one.down(3) == GiveUp()


def test_restarts_that_are_long_ago_do_not_count():
    one = policy()
    for now in (0, 1, 2, 33):
        decision = one.down(now)
    assert isinstance(decision, RestartAfter)


def test_stages_that_each_stay_within_their_bound_exceed_that_of_the_call_together():
    call = Intensity(6, 60)
    stages = [policy(call) for _ in range(3)]
    decisions = [stage.down(now) for now, stage in enumerate([*stages, *stages, stages[0]])]
    assert decisions[-1] == GiveUp()
    assert all(isinstance(decision, RestartAfter) for decision in decisions[:-1])


def test_jitter_only_lengthens_the_wait_by_a_fifth_at_most():
    one = policy(uniform=lambda: 1.0, stage_restarts=10, call_restarts=10)
    one.down(0)
    assert one.down(0) == RestartAfter(pytest.approx(0.3))


def test_another_engine_gets_its_own_chances():
    one = policy(call_restarts=100)
    for _ in range(4):
        decision = one.down(0)
    assert decision == GiveUp()
    one.replaced()
    assert one.down(0) == RestartAfter(0)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60), st.integers(1, 5), st.floats(1, 60))
def test_no_window_ever_holds_more_restarts_than_allowed(times, limit, period):
    intensity = Intensity(limit, period)
    allowed = [now for now in sorted(times) if not intensity.exceeded_by(now)]
    for first in allowed:
        assert len([now for now in allowed if first <= now <= first + period]) <= limit


WHAT = st.sampled_from(("down", "down", "down", "useful", "replaced"))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 2), WHAT, st.floats(0, 1)), max_size=60),
    st.lists(st.floats(0, 5), max_size=5),
)
def test_each_restart_is_within_both_bounds_and_waits_as_long_as_its_step_says(script, steps):
    """Three stages of one call against a plain account of what happened: nothing clears the call's window early."""
    uniform = 0.0
    bounds = Supervision(backoff_s=tuple(steps))
    call = Intensity(bounds.call_restarts, bounds.call_period_s)
    stages = [RestartPolicy(bounds, call, lambda: uniform) for _ in range(3)]
    downs: list[list[float]] = [[], [], []]
    all_downs: list[float] = []
    since_useful = [0, 0, 0]
    now = 0.0
    for pause, stage, what, uniform in script:  # noqa: B007 - the jitter that the next restart draws
        now += pause
        if what == "useful":
            stages[stage].useful()
            since_useful[stage] = 0
            continue
        if what == "replaced":
            stages[stage].replaced()
            since_useful[stage] = 0
            downs[stage].clear()
            continue
        downs[stage].append(now)
        all_downs.append(now)
        recent = [at for at in downs[stage] if at >= now - bounds.stage_period_s]
        recent_of_call = [at for at in all_downs if at >= now - bounds.call_period_s]
        decision = stages[stage].down(now)
        if len(recent) > bounds.stage_restarts or len(recent_of_call) > bounds.call_restarts:
            assert decision == GiveUp()
            continue
        assert isinstance(decision, RestartAfter)
        least = steps[min(since_useful[stage], len(steps) - 1)] if steps else 0.0
        assert least <= decision.delay <= least * (1 + bounds.backoff_jitter) + 1e-9
        since_useful[stage] += 1


# --- ports ----------------------------------------------------------------------------------------


class Ref:
    """As much of a reference as a port uses; it really keeps what it is told."""

    def __init__(self):
        self.told = []

    def tell(self, message):
        self.told.append(message)


def test_mail_for_a_stage_that_is_down_waits_and_comes_in_order():
    port = Port("stt", 10, lambda message: True)
    port.tell(1)
    port.tell(2)
    ref = Ref()
    port.attach(ref)
    port.tell(3)
    assert ref.told == [1, 2, 3]


def test_unread_mail_of_the_dead_goes_before_what_came_later():
    port = Port("stt", 10, lambda message: True)
    old, new = Ref(), Ref()
    port.attach(old)
    port.detach(old, [1, 2])
    port.tell(3)
    port.attach(new)
    assert new.told == [1, 2, 3]


def test_a_late_death_notice_does_not_cut_off_the_successor():
    port = Port("stt", 10, lambda message: True)
    old, new = Ref(), Ref()
    port.attach(old)
    port.attach(new)
    port.detach(old, [])
    port.tell(1)
    assert new.told == [1]


def test_stale_mail_is_not_flushed():
    alive = {1, 2, 3}
    port = Port("tts", 10, lambda message: message in alive)
    for message in (1, 2, 3):
        port.tell(message)
    alive.discard(2)
    ref = Ref()
    port.attach(ref)
    assert ref.told == [1, 3]


def test_parked_mail_is_bounded_and_the_oldest_is_lost():
    port = Port("tts", 3, lambda message: True)
    for message in range(5):
        port.tell(message)
    ref = Ref()
    port.attach(ref)
    assert ref.told == [2, 3, 4]


def test_a_closed_port_keeps_nothing():
    port = Port("tts", 3, lambda message: True)
    port.close()
    port.tell(1)
    ref = Ref()
    port.attach(ref)
    assert ref.told == []
