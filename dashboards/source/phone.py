"""Phone: carriers, what they say, whom we let in."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel
from dashboards.source.queries import per_minute, quantile, total

_CARRIED = 'transport!="webrtc"'

CALLS = (
    Panel(
        "Calls up by carrier",
        "Inbound and outbound.",
        "short",
        {"{{transport}} {{direction}}": total("calls_active", _CARRIED, by="transport, direction")},
    ),
    Panel(
        "How calls by phone end",
        "By status and reason, those that happened. no_stream: somebody answered, and their voice never came: the "
        "public URL. carrier_failed: the carrier says so.",
        "cpm",
        {
            "{{transport}} {{outcome}} {{reason}}": (
                f"{per_minute('calls_ended_total', _CARRIED, by='transport, outcome, reason')} > 0"
            )
        },
        runbook="carrierrefuses",
    ),
    Panel(
        "Callers and numbers refused",
        "caller_not_allowed, caller_withheld: the inbound policy. number_not_allowed, hourly_cap, daily_minutes: what "
        "we may dial. carrier: it would not. stream: a socket without a good token.",
        "cpm",
        {
            "{{reason}}": per_minute(
                "calls_rejected_total",
                'reason=~"carrier|stream|policy_disabled|caller_.+|number_.+|own_number|hourly_cap|daily_minutes|from_not_ours"',
                by="reason",
            )
        },
        runbook="carrierrefuses",
    ),
    Panel(
        "Round trip to carriers",
        "By the echo of marks; the carrier's own buffer is in it.",
        "s",
        {
            "p50 {{transport}}": quantile(0.5, "round_trip_seconds", _CARRIED, by="transport"),
            "p95 {{transport}}": quantile(0.95, "round_trip_seconds", _CARRIED, by="transport"),
        },
        limits=(0.3, 0.6),
        runbook="linequalitylow",
    ),
)

WEBHOOKS = (
    Panel(
        "Requests with a bad signature",
        "In a carrier's name. A few are scanners; many are a wrong public_url or a rotated key, and then no call "
        "comes in.",
        "cpm",
        {"{{carrier}}": per_minute("webhook_signature_failures_total", by="carrier")},
        limits=(1, 10),
        runbook="signaturesbad",
    ),
    Panel(
        "What carriers were answered",
        "Requests to /voice, by route and code.",
        "cpm",
        {"{{route}} {{code}}": per_minute("http_requests_total", 'route=~"/voice/.+"', by="route, code")},
        runbook="signaturesbad",
    ),
)

VOICEMAIL = (
    Panel(
        "Messages left",
        "By what became of them.",
        "cpm",
        {"{{result}}": per_minute("voicemails_total", by="result")},
    ),
    Panel(
        "Recordings",
        "Calls that are being recorded now, and how recordings ended, a minute.",
        "short",
        {
            "being recorded": total("recordings_active"),
            "{{result}}": per_minute("recordings_total", by="result"),
        },
    ),
)

PHONE = Dashboard(
    "openclaw-actors-phone",
    "Phone",
    "Carriers, what they say, whom we let in.",
    (("Calls", CALLS), ("Webhooks", WEBHOOKS), ("Voicemail and recordings", VOICEMAIL)),
)
