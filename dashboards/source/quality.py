"""Conversation quality: what callers hear, how long they wait for it, and over what line."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel
from dashboards.source.queries import above, mean, per_minute, quantile, rate

_HALF, _MOST, _ALL = 0.5, 0.95, 0.99
_LOST = rate("rtp_packets_lost_total")
_HEARD = rate("rtp_packets_total", 'direction="inbound"')
_SENT = rate("rtp_packets_total", 'direction="outbound"')
_PARTS = (
    "Parts follow each other: what was done ahead of the turn's end counts nothing. end_of_turn: silence that showed "
    "the "
    "caller had finished. stt_final: words still awaited then. agent_first_token, tts_first_audio: the model, the "
    "voice. "
    "first_packet: our own."
)


def _waterfall(q: float) -> Panel:
    return Panel(
        f"Where a turn's time goes, p{round(100 * q)}",
        _PARTS + (" Quantiles of parts do not add up exactly to that of the whole." if q > _HALF else ""),
        "s",
        {"{{part}}": quantile(q, "stage_latency_seconds", by="part")},
        runbook="turnsslow",
        stacked=True,
        width=8,
    )


TURNS = (
    Panel(
        "End of speech to voice",
        "The caller's last voiced sample to our first voiced packet. People answer each other in 0.2-0.3 s.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "turn_latency_seconds") for q in (_HALF, _MOST, _ALL)},
        limits=(0.8, 1.5),
        runbook="turnsslow",
    ),
    Panel(
        "Turns a minute",
        "Answered turns: the count of the latencies on the left.",
        "cpm",
        {"turns": per_minute("turn_latency_seconds_count")},
    ),
    *(_waterfall(q) for q in (_HALF, _MOST, _ALL)),
    Panel(
        "Early replies",
        "Replies that were asked for before the caller had surely finished: used, or wasted because they went on.",
        "cpm",
        {"{{result}}": per_minute("speculations_total", by="result")},
    ),
    Panel(
        "Callers cut off",
        "Turns answered although the caller went on at once, of all turns. Above 5 %: longer turns.silence_ms.",
        "percentunit",
        {"cut off": f"{rate('false_cut_offs_total')} / {rate('turn_latency_seconds_count')}"},
        limits=(0.05, 0.1),
        runbook="callerscutoff",
    ),
)

BARGE_IN = (
    Panel(
        "Barge-in: onset to silence",
        "From the first voiced sample of a caller who speaks over us until we are silent.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "barge_in_silence_seconds") for q in (_HALF, _MOST, _ALL)},
        limits=(0.2, 0.3),
        runbook="bargeinslow",
    ),
    Panel(
        "Barge-ins a minute",
        "interrupted: we gave way. resumed: it was a cough or an 'mm', and the sentence went on where it had stopped.",
        "cpm",
        {"{{outcome}}": per_minute("barge_ins_total", by="outcome")},
    ),
)

LINE = (
    Panel(
        "Line quality (MOS estimate)",
        "By the E-model (ITU-T G.107, short form) of the worse direction, each 5 s a call: 4.4 is the best a "
        "telephone gets, below 3.6 many are dissatisfied. p5: the worst twentieth.",
        "short",
        {"p5": quantile(0.05, "mos_estimate"), "p50": quantile(_HALF, "mos_estimate")},
        limits=(4.0, 3.5),
        most=5,
        runbook="linequalitylow",
    ),
    Panel(
        "Calls with a bad line",
        "The share of the estimates below 3.5.",
        "percentunit",
        {"below 3.5": f"1 - ({above('mos_estimate', '3.5')})"},
        limits=(0.1, 0.2),
        most=1,
        runbook="linequalitylow",
    ),
    Panel(
        "Packets lost",
        "From callers: those that never came in time. To callers: those that their ends report as lost.",
        "percentunit",
        {
            "from callers": f"{_LOST} / ({_HEARD} + {_LOST})",
            "to callers": f"{rate('rtp_remote_packets_lost_total')} / {_SENT}",
        },
        limits=(0.01, 0.03),
        runbook="linelossy",
    ),
    Panel(
        "Jitter",
        "Of arriving packets (RFC 3550). The jitter buffer adapts: it costs delay, and beyond 0.2 s packets.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "rtp_jitter_seconds") for q in (_HALF, _MOST)},
        runbook="linelossy",
    ),
    Panel(
        "Round trip",
        "To the caller's end and back: by RTCP over WebRTC, by the echo of marks over a carrier, whose own buffer is "
        "in it.",
        "s",
        {"p50 {{transport}}": quantile(_HALF, "round_trip_seconds", by="transport")},
        runbook="linequalitylow",
    ),
    Panel(
        "Packets a second",
        "50 a call and direction; from callers fewer, when their client sends nothing in silence.",
        "pps",
        {"{{direction}}": rate("rtp_packets_total", by="direction")},
    ),
)

OURS = (
    Panel(
        "Lateness of our packets",
        "How late a 20 ms packet left. Above 20 ms callers hear gaps: the machine is too busy.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "pacing_lag_seconds") for q in (_MOST, _ALL)},
        limits=(0.02, 0.04),
        runbook="packetslate",
    ),
    Panel(
        "Gaps in our voice",
        "Times that the voice ran dry in the middle of a phrase: a voice that is slower than speech.",
        "cpm",
        {"gaps": per_minute("playout_gaps_total")},
        runbook="voicerunsdry",
    ),
    Panel(
        "Datagrams refused",
        "By the ICE guard. Some `unvalidated` at set-up are usual; thousands are somebody who tries things.",
        "pps",
        {"{{reason}}": rate("datagrams_dropped_total", by="reason")},
        runbook="datagramsrefused",
    ),
    Panel(
        "Mean turn by part",
        "The same as above without quantiles: these do add up.",
        "s",
        {"{{part}}": mean("stage_latency_seconds", by="part")},
        stacked=True,
        runbook="turnsslow",
    ),
)

QUALITY = Dashboard(
    "openclaw-actors-quality",
    "Conversation quality",
    "What callers hear, how long they wait for it, and over what line.",
    (("Turns", TURNS), ("Barge-in", BARGE_IN), ("Line", LINE), ("Our end", OURS)),
)
