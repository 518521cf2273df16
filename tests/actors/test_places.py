"""A host that is full says so, why, and when to come back; the metrics tell the same."""

from __future__ import annotations

import pytest

from openclaw_actors.actors.admission import START, STRAINED_FOR_S, Load
from openclaw_actors.actors.places import RETRY_AFTER_S, Places
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics


def rejected(reason: str) -> float:
    return metrics.calls_rejected_total.labels(reason=reason)._value.get()


def with_calls(places: Places, count: int) -> Places:
    for number in range(count):
        places.enter(f"call_{number}", 0)
    return places


def strain(places: Places, seconds: float = STRAINED_FOR_S + 1) -> None:
    for second in range(round(seconds)):
        places.look(Load(0.5, 0.0), float(second))


def test_a_limit_that_is_set_is_kept_to_whatever_the_load():
    places = with_calls(Places(4), 3)
    strain(places)
    before = rejected("full")
    places.reserve("webrtc", "inbound")
    with pytest.raises(RefusalError, match="all 4 places are taken") as refusal:
        places.reserve("webrtc", "inbound")
    assert (refusal.value.status, refusal.value.code) == (503, "full")
    assert refusal.value.headers["Retry-After"] == RETRY_AFTER_S
    assert rejected("full") == before + 1


def test_a_limit_that_is_found_out_falls_while_calls_suffer_and_cuts_nobody_off():
    places = with_calls(Places(0), 10)
    assert places.limit == metrics.calls_limit._value.get() == START
    places.reserve("webrtc", "inbound")
    strain(places)
    assert places.limit == metrics.calls_limit._value.get() == 9
    assert len(places.running) == 10
    before = rejected("overloaded")
    with pytest.raises(RefusalError, match=r"bears 9 calls .*500 ms late") as refusal:
        places.reserve("webrtc", "inbound")
    assert (refusal.value.status, refusal.value.code) == (503, "full")
    assert rejected("overloaded") == before + 1


def test_a_caller_who_comes_back_to_a_live_call_needs_no_place():
    places = with_calls(Places(1), 1)
    places.live_tokens["token"] = "call_0"
    assert places.reserve("webrtc", "inbound", "token").number == 0
