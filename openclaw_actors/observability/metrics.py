"""Every instrument, with its unit and why its buckets. No label holds a call id; label sets are bounded.

The prefix is ``openclaw_actors_``: the Gateway's own exporter owns ``openclaw_``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each child, which nobody asks for

REGISTRY = CollectorRegistry()
"""One a process; ``GET /metrics`` exposes it. What it costs does not depend on how many calls there are: a call adds to
sums that are there, and no series is a call's own."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_PREFIX = "openclaw_actors"

STAGES = ("transport", "turns", "stt", "agent", "tts")
CARRIERS = ("twilio", "telnyx", "plivo")
TRANSPORTS = ("webrtc", *CARRIERS)
DIRECTIONS = ("inbound", "outbound")

# The goal is 0.4 s and the peers' medians lie at 0.6-1.7 s, so the buckets are dense from 0.2 to 1.
_TURN = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.25, 1.5, 2, 3, 5, 8, 13)
# A stop is noticed as late from 0.2 s on; 20 ms is one packet.
_BARGE_IN = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5)
# Offer to first media: 5-20 ms on loopback, seconds through a slow TURN server.
_SETUP = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20)
_DURATION = (5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
# A restart in place takes 0.05 ms, one with a model load seconds.
_DOWN = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
# A hop takes 0.02 ms when idle; 20 ms late is one lost packet's time.
_WAIT = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2)
# A worker on a CPU takes 4 jobs at once, on a GPU 16 or more.
_BATCH = (1, 2, 4, 8, 16, 32, 64)
_LAG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 2, 10)
_JITTER = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.3, 0.6, 1)
# A provider across the street answers in 50 ms, one across an ocean in 0.3 s; an agent that runs tools takes a minute.
_ENGINE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 15, 60)
# Of telephony: below 3.6 many are dissatisfied, 4.4 is the best that the model knows (ITU-T G.107 annex B).
_MOS = (1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5)
# 1 ms on a LAN, 20-80 ms on a continent, 300 ms by satellite or round the world; from 300 ms on people collide.
_ROUND_TRIP = (0.002, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2)
_HTTP = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def _unit(name: str) -> str:
    """What the name ends in is the unit, which OpenMetrics tells apart; the others count things."""
    return "seconds" if name.removesuffix("_total").endswith("_seconds") else ""


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, namespace=_PREFIX, unit=_unit(name), registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, namespace=_PREFIX, unit=_unit(name), registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, text, labels, namespace=_PREFIX, unit=_unit(name), registry=REGISTRY, buckets=buckets)


ready = _gauge("ready", "1 while new calls are taken, as GET /readyz says.")
build_info = _gauge("build_info", "1, with the version as a label.", "version")

cluster_hosts = _gauge("cluster_hosts", "Hosts of the cluster as this front knows them.", "state")
cluster_head_up = _gauge("cluster_head_up", "1 while Ray's head answers this front.")
cluster_placements_total = _counter(
    "cluster_placements_total", "New calls that this front placed, or could not.", "result"
)

calls_active = _gauge("calls_active", "Calls that are up now.", "transport", "direction")
calls_limit = _gauge("calls_limit", "Calls that this host takes at once.")
calls_started_total = _counter("calls_started_total", "Calls begun.", "transport", "direction")
calls_ended_total = _counter(
    "calls_ended_total", "Calls over, by status and reason.", "transport", "direction", "outcome", "reason"
)
calls_rejected_total = _counter("calls_rejected_total", "Calls refused before they began.", "reason")
call_setup_seconds = _histogram("call_setup_seconds", "Offer to first media.", _SETUP)
call_duration_seconds = _histogram("call_duration_seconds", "Length of calls.", _DURATION)

stage_restarts_total = _counter("stage_restarts_total", "Stages started anew.", "stage", "reason")
stage_retries_total = _counter("stage_retries_total", "Passing faults of engines, tried again in place.", "stage")
stage_down_seconds = _histogram("stage_down_seconds", "Down to ready again.", _DOWN, "stage")
engine_switches_total = _counter(
    "engine_switches_total", "Calls moved to another engine.", "stage", "from_engine", "to_engine"
)
escalations_total = _counter("escalations_total", "Steps of the escalation ladder taken.", "step")
engine_serving = _gauge("engine_serving", "1 while new calls may get this engine.", "stage", "engine")
engine_latency_seconds = _histogram(
    "engine_latency_seconds", "Asked until a transcript, a first word, a first sound came.", _ENGINE, "stage", "engine"
)
engine_errors_total = _counter("engine_errors_total", "Failures of engines, by kind.", "stage", "engine", "kind")
engine_tokens_total = _counter(
    "engine_tokens_total", "Tokens that language models say they took (in) and gave (out).", "engine", "direction"
)
engine_characters_total = _counter(
    "engine_characters_total", "Characters that agents answered and voices were given to speak.", "stage", "engine"
)
engine_audio_seconds_total = _counter(
    "engine_audio_seconds_total", "Sound that recognisers were given and voices made.", "stage", "engine"
)
speculations_total = _counter("speculations_total", "Replies asked for early, kept or wasted.", "result")
mailbox_depth = _gauge("mailbox_depth", "Deepest mailbox seen in the last second.", "stage")
message_wait_seconds = _histogram("message_wait_seconds", "Sent to handled, one in 16.", _WAIT, "stage")
actors_reaped_total = _counter("actors_reaped_total", "Actors that outlived their call and were killed.", "actor")
dead_letters_total = _counter("dead_letters_total", "Messages that nobody handled.", "stage", "message")
stale_messages_total = _counter("stale_messages_total", "Mail below the fence, dropped.", "stage")

turn_latency_seconds = _histogram("turn_latency_seconds", "Last voiced sample in to first voiced packet out.", _TURN)
stage_latency_seconds = _histogram("stage_latency_seconds", "Parts of a turn's latency.", _TURN, "part")
barge_in_silence_seconds = _histogram(
    "barge_in_silence_seconds", "Onset of the caller's speech to our silence.", _BARGE_IN
)
false_cut_offs_total = _counter("false_cut_offs_total", "Replies to callers who had not finished, and went on at once.")
barge_ins_total = _counter("barge_ins_total", "The caller spoke over us.", "outcome")

rtp_packets_total = _counter("rtp_packets_total", "RTP packets.", "direction")
rtp_packets_lost_total = _counter("rtp_packets_lost_total", "Inbound packets that never came in time.")
rtp_remote_packets_lost_total = _counter(
    "rtp_remote_packets_lost_total", "Our packets that callers' ends report as lost (RTCP)."
)
round_trip_seconds = _histogram(
    "round_trip_seconds",
    "To the far end and back, each 5 s a call: by RTCP, or a carrier's marks.",
    _ROUND_TRIP,
    "transport",
)
mos_estimate = _histogram("mos_estimate", "Quality of the worse direction by the E-model, each 5 s a call.", _MOS)
playout_gaps_total = _counter("playout_gaps_total", "Times our voice ran dry in the middle of a phrase.")
datagrams_dropped_total = _counter(
    "datagrams_dropped_total",
    "Datagrams refused: by the ICE guard, for a false SRTP tag, or of a caller's all too many sources.",
    "reason",
)
listeners = _gauge("listeners", "Operators who listen in on calls.")
listener_frames_dropped_total = _counter("listener_frames_dropped_total", "Sound (20 ms) too late for a slow listener.")
rtp_jitter_seconds = _histogram("rtp_jitter_seconds", "Inbound jitter (RFC 3550), each 5 s a call.", _JITTER)
pacing_lag_seconds = _histogram("pacing_lag_seconds", "Lateness of outbound packets, sampled.", _LAG)
event_loop_lag_seconds = _gauge("event_loop_lag_seconds", "Worst lateness of the loop in the last second.")
event_loop_busy_ratio = _gauge("event_loop_busy_ratio", "Share of the last second for which the loop computed.")
event_loop_stalls_total = _counter("event_loop_stalls_total", "Times the loop was so late that stacks were dumped.")

pool_queue_depth = _gauge("pool_queue_depth", "Jobs waiting for a worker process.", "pool")
pool_abandoned_total = _counter("pool_abandoned_total", "Worker processes killed past a deadline.", "pool")
pool_batch_jobs = _histogram("pool_batch_jobs", "Jobs given to a worker process at once.", _BATCH, "pool")
engine_actors_serving = _gauge("engine_actors_serving", "Actors of the cluster that this host may ask.", "engine")
engine_actors_lost_total = _counter(
    "engine_actors_lost_total", "Actors of the cluster that stopped answering.", "engine"
)
engine_actor_requests = _gauge(
    "engine_actor_requests", "What actors of the cluster had to do when they last told.", "engine", "actor"
)
tts_cache_requests_total = _counter("tts_cache_requests_total", "Phrases asked of the cache.", "result")

recordings_active = _gauge("recordings_active", "Calls that are being recorded.")
recordings_total = _counter("recordings_total", "Recordings that ended, and how.", "result")

store_failures_total = _counter("store_failures_total", "Times that records could not be written or read.", "reason")
store_queue_depth = _gauge("store_queue_depth", "Entries that wait to be written.")
store_write_seconds = _histogram("store_write_seconds", "One batch of records, begin to commit.", _HTTP)

http_requests_total = _counter("http_requests_total", "HTTP requests.", "route", "method", "code")
http_request_seconds = _histogram("http_request_seconds", "HTTP requests' time.", _HTTP)

webhook_signature_failures_total = _counter(
    "webhook_signature_failures_total", "Requests in a carrier's name without a good signature.", "carrier"
)
voicemails_total = _counter("voicemails_total", "Messages that callers left, by what became of them.", "result")
webhook_deliveries_total = _counter("webhook_deliveries_total", "Attempts to deliver events, and what ended.", "result")


_STAGE = {"stage": STAGES}
_CALL = {"transport": TRANSPORTS, "direction": DIRECTIONS}
_RESTART_REASONS = ("crash", "transient", "broken", "refused", "slow", "unavailable", "ended")
_REJECTIONS = (
    "full", "overloaded", "draining", "rate", "auth", "offer", "not_ready", "stream", "carrier", "policy_disabled",
    "caller_not_allowed", "caller_withheld", "number_not_allowed", "own_number", "hourly_cap", "daily_minutes",
    "from_not_ours",
)  # fmt: skip
_VOICEMAILS = ("received", "empty", "refused", "reached", "left", "failed", "kept", "erased", "expired")
_ENDS = {
    "completed": (
        "hangup", "caller_hangup", "agent_hangup", "peer_closed", "peer_failed", "no_media", "idle_timeout",
        "max_duration", "silent_caller", "transferred", "announced", "machine", "daily_minutes", "closed", "shutdown",
        "message_taken", "mailbox_full",
    ),
    "failed": (
        "internal_error", "stage_failed", "peer_failed", "peer_closed", "no_stream", "carrier_failed", "abandoned",
        "node_lost",
    ),
    "no-answer": ("no_answer", "ring_timeout"),
    "busy": ("busy",),
    "canceled": ("canceled", "hangup", "rang_in"),
}  # fmt: skip
_MAIL = {
    "transport": ("AudioIn", "Speech", "ResumePlayout", "Interrupt"),
    "turns": ("AudioIn", "Completeness", "CutOff", "Interrupt"),
    "stt": ("SpeechStarted", "LikelyEnd", "Resumed", "TurnEnded", "Interrupt"),
    "agent": ("Ask", "Interrupt"),
    "tts": ("Say", "Credit", "Interrupt"),
}
_PARTS = ("end_of_turn", "stt_final", "agent_first_token", "tts_first_audio", "first_packet")
_STORE_REASONS = (
    "full", "io", "locked", "unreachable", "readonly", "corrupt", "refused", "queue_full", "other",
)  # fmt: skip

_BOUNDED: tuple[tuple[Counter | Gauge | Histogram, Mapping[str, Sequence[str]]], ...] = (
    (cluster_hosts, {"state": ("open", "full", "draining", "unready")}),
    (cluster_placements_total, {"result": ("placed", "placed_again", "no_room", "head_away")}),
    (calls_active, _CALL),
    (calls_started_total, _CALL),
    (calls_rejected_total, {"reason": _REJECTIONS}),
    (stage_restarts_total, {**_STAGE, "reason": _RESTART_REASONS}),
    (stage_retries_total, _STAGE),
    (stage_down_seconds, _STAGE),
    (message_wait_seconds, _STAGE),
    (mailbox_depth, _STAGE),
    (stale_messages_total, _STAGE),
    (actors_reaped_total, {"actor": ("call", *STAGES)}),
    (escalations_total, {"step": ("next_engine", "apology", "repeat_please", "hang_up")}),
    (speculations_total, {"result": ("used", "wasted")}),
    (stage_latency_seconds, {"part": _PARTS}),
    (barge_ins_total, {"outcome": ("interrupted", "resumed")}),
    (rtp_packets_total, {"direction": DIRECTIONS}),
    (round_trip_seconds, {"transport": TRANSPORTS}),
    (
        datagrams_dropped_total,
        {"reason": ("empty", "unvalidated", "malformed", "queue_full", "unauthentic", "sources")},
    ),
    (store_failures_total, {"reason": _STORE_REASONS}),
    (
        recordings_total,
        {"result": ("completed", "limit", "disk_full", "disk_slow", "failed", "recovered")},
    ),
    (tts_cache_requests_total, {"result": ("memory", "disk", "miss")}),
    (webhook_signature_failures_total, {"carrier": CARRIERS}),
    (voicemails_total, {"result": _VOICEMAILS}),
    (webhook_deliveries_total, {"result": ("delivered", "failed", "blocked", "gone", "given_up")}),
)


def initialise() -> None:
    """Create the bounded label sets, so that a rate over a first event is not lost."""
    for instrument, labels in _BOUNDED:
        for values in itertools.product(*labels.values()):
            instrument.labels(**dict(zip(labels, values, strict=True)))
    for outcome, reasons in _ENDS.items():
        for transport, direction, reason in itertools.product(TRANSPORTS, DIRECTIONS, reasons):
            calls_ended_total.labels(transport=transport, direction=direction, outcome=outcome, reason=reason)
    for stage, kinds in _MAIL.items():
        for message in kinds:
            dead_letters_total.labels(stage=stage, message=message)
