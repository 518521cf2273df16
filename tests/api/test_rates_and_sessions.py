"""Bounds that hold whatever clients do."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.api.rates import Places, TokenBuckets
from openclaw_actors.api.sessions import Sessions


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0.1, 100),
    st.integers(1, 10),
    st.lists(st.floats(0, 3, allow_subnormal=False), min_size=1, max_size=60),
)
def test_no_client_gets_more_than_burst_and_rate_allow(per_second, burst, pauses):
    buckets = TokenBuckets(per_second, burst)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("client", now) == 0
    assert taken <= burst + per_second * now + 1e-6


@settings(deadline=None, max_examples=60)
@given(st.floats(0.1, 100), st.integers(1, 10))
def test_who_waits_as_long_as_told_is_let_in(per_second, burst):
    buckets = TokenBuckets(per_second, burst)
    assert all(buckets.take("client", 0.0) == 0 for _ in range(burst))
    wait = buckets.take("client", 0.0)
    assert wait > 0
    assert buckets.take("client", wait * 1.000001) == 0


def test_a_flood_of_clients_keeps_memory_bounded_and_the_newest_limited():
    buckets = TokenBuckets(1, 1)
    for number in range(20_000):
        buckets.take(str(number), 0.0)
    assert buckets.take("19999", 0.0) > 0
    assert buckets.take("0", 0.0) == 0


def test_a_place_is_free_again_however_its_holder_ends():
    places = Places(1)
    with ExitStack() as holder:
        holder.enter_context(places.one())
        assert places.are_taken
    assert not places.are_taken

    def holds_and_fails() -> None:
        with places.one():
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        holds_and_fails()
    assert not places.are_taken


def test_ended_calls_are_forgotten_and_live_ones_kept():
    live: set[str] = set()
    sessions = Sessions(lambda call_id: call_id in live)
    live.add("kept")
    kept = sessions.open("kept", None)
    for number in range(10_000):
        sessions.open(f"ended-{number}", None)
    assert len(sessions) <= 64
    assert sessions.close(kept) == "kept"


def test_secrets_differ_and_close_only_their_own_call():
    sessions = Sessions(lambda _: True)
    secrets = [sessions.open(f"call-{number}", None) for number in range(100)]
    assert len(set(secrets)) == 100
    assert sessions.close(secrets[7]) == "call-7"
    assert sessions.close(secrets[7]) is None
    assert len(sessions) == 99
