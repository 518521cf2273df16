"""docs/metrics.md is what the code has, and the code has what is promised."""

from __future__ import annotations

from openclaw_actors.observability import metrics
from tests.docs.metrics_reference import PAGE, instruments, render

PROMISED = {
    "calls_active": {"transport", "direction"},
    "calls_started_total": {"transport", "direction"},
    "calls_ended_total": {"transport", "direction", "outcome", "reason"},
    "calls_rejected_total": {"reason"},
    "calls_limit": set(),
    "call_setup_seconds": set(),
    "call_duration_seconds": set(),
    "stage_restarts_total": {"stage", "reason"},
    "stage_down_seconds": {"stage"},
    "engine_switches_total": {"stage", "from_engine", "to_engine"},
    "speculations_total": {"result"},
    "escalations_total": {"step"},
    "mailbox_depth": {"stage"},
    "message_wait_seconds": {"stage"},
    "dead_letters_total": {"stage", "message"},
    "stale_messages_total": {"stage"},
    "turn_latency_seconds": set(),
    "stage_latency_seconds": {"part"},
    "barge_in_silence_seconds": set(),
    "barge_ins_total": {"outcome"},
    "rtp_packets_total": {"direction"},
    "rtp_packets_lost_total": set(),
    "datagrams_dropped_total": {"reason"},
    "rtp_jitter_seconds": set(),
    "mos_estimate": set(),
    "pacing_lag_seconds": set(),
    "event_loop_lag_seconds": set(),
    "pool_queue_depth": {"pool"},
    "pool_abandoned_total": {"pool"},
    "tts_cache_requests_total": {"result"},
    "http_requests_total": {"route", "method", "code"},
    "http_request_seconds": set(),
    "voicemails_total": {"result"},
    "webhook_signature_failures_total": {"carrier"},
    "webhook_deliveries_total": {"result"},
    "build_info": {"version"},
}
"""Names and labels that other programs are written against. More may be added; none of these may change."""


def test_the_page_is_made_of_the_code():
    assert PAGE.read_text() == render(), "run python -m tests.docs.metrics_reference"


def test_what_is_promised_is_there():
    there = {}
    for each in instruments():
        name = each.describe()[0].name.removeprefix("openclaw_actors_")
        there[name + ("_total" if each._type == "counter" else "")] = set(each._labelnames)
    assert {name: there.get(name) for name in PROMISED} == PROMISED


def test_each_says_what_it_tells_in_a_sentence():
    for each in instruments():
        assert each._documentation.endswith("."), each


def test_no_label_holds_a_calls_id():
    labels = {label for each in instruments() for label in each._labelnames}
    assert not labels & {"call", "call_id", "caller", "number", "turn"}
    assert metrics.REGISTRY is not None
