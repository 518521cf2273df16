"""Overview: is anything wrong, for whom, and is there room for more."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel, stat
from dashboards.source.queries import above, of, per_minute, quantile, rate, total

_FAILED = rate("calls_ended_total", 'outcome="failed"', window="1h")
_LOST = rate("calls_ended_total", 'outcome!="failed"', 'reason=~"peer_failed|no_media|shutdown"', window="1h")

NOW = (
    stat("Calls now", "Calls that are up.", "short", total("calls_active")),
    stat(
        "Places taken",
        "Calls that are up, of those that the hosts take at once. At 100 % callers are refused.",
        "percentunit",
        f"{total('calls_active')} / {total('calls_limit')}",
        limits=(0.8, 0.95),
        runbook="hostnearlyfull",
    ),
    stat(
        "Hosts that take calls",
        "Hosts whose GET /readyz says yes, of those that answer at all.",
        "percentunit",
        f"{total('ready')} / count({of('ready')})",
        limits=(1.0, 0.5),
        runbook="hostnotready",
    ),
    stat(
        "Failed or lost, 1 h",
        "Of the calls that ended in the last hour, those that failed, whose line was lost, or that a shutdown ended.",
        "percentunit",
        f"({_FAILED} + {_LOST}) / {rate('calls_ended_total', window='1h')}",
        limits=(0.005, 0.02),
        runbook="callslost",
    ),
    stat(
        "Turn p95, 1 h",
        "From the caller's last voiced sample to our first voiced packet.",
        "s",
        quantile(0.95, "turn_latency_seconds", window="1h"),
        limits=(1.0, 1.5),
        runbook="turnsslow",
    ),
    stat(
        "Line quality (MOS estimate), 1 h",
        "The median of the E-model's estimate, 1 to 4.4; a twentieth of the calls may be far worse: see Conversation "
        "quality.",
        "short",
        quantile(0.5, "mos_estimate", window="1h"),
        limits=(4.0, 3.5),
        runbook="linequalitylow",
    ),
)

CALLS = (
    Panel(
        "Calls up",
        "By how they came, and who called whom.",
        "short",
        {
            "{{transport}} {{direction}}": total("calls_active", by="transport, direction"),
            "places": total("calls_limit"),
        },
        runbook="hostnearlyfull",
    ),
    Panel(
        "Calls begun and ended a minute",
        "They part when calls pile up.",
        "cpm",
        {"begun": per_minute("calls_started_total"), "ended": per_minute("calls_ended_total")},
    ),
    Panel(
        "How calls end",
        "By status and reason, those that happened. completed with hangup, caller_hangup or peer_closed is as it "
        "should be.",
        "cpm",
        {"{{outcome}} {{reason}}": f"{per_minute('calls_ended_total', by='outcome, reason')} > 0"},
        runbook="callslost",
    ),
    Panel(
        "Calls refused",
        "Before they began, by reason: full, overloaded and draining are capacity; auth, rate and offer are strangers "
        "or mistaken clients.",
        "cpm",
        {"{{reason}}": f"{per_minute('calls_rejected_total', by='reason')} > 0"},
        runbook="callersrefusedfull",
    ),
)

SETUP = (
    Panel(
        "Set-up of a call",
        "Offer (or a phone's answer) to the caller's first sound. Slow set-ups mostly tell of ICE: TURN, blocked UDP.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "call_setup_seconds") for q in (0.5, 0.95, 0.99)},
        limits=(1.0, 2.0),
        runbook="callsetupslow",
    ),
    Panel(
        "How long calls last",
        "Median and longest twentieth. Calls that get shorter all at once are calls that people give up.",
        "s",
        {f"p{round(100 * q)}": quantile(q, "call_duration_seconds", window="1h") for q in (0.5, 0.95)},
    ),
    Panel(
        "Who listens in",
        "Operators who hear calls, and the 20 ms pieces a second that came too late for those whose line is slow.",
        "short",
        {"listeners": total("listeners"), "pieces dropped a second": rate("listener_frames_dropped_total")},
    ),
)

SLO = (
    Panel(
        "How fast the error budgets burn, 1 h",
        "1 uses up the month's budget in a month; 14.4 uses up a fiftieth of it in an hour, and calls somebody.",
        "short",
        {"{{slo}}": total("job:openclaw_actors_slo:burn_rate1h", by="slo", how="max")},
        limits=(6.0, 14.4),
        runbook="what-is-promised",
    ),
    Panel(
        "Turns later than 1.5 s",
        "The share that counts against the promise of 95 % within 1.5 s.",
        "percentunit",
        {"late": above("turn_latency_seconds", "1.5")},
        limits=(0.05, 0.3),
        most=1,
        runbook="turnsslow",
    ),
    Panel(
        "Alerts that fire",
        "By name and severity; each has a section in the runbook.",
        "short",
        {"{{alertname}} {{severity}}": 'sum by (alertname, severity) (ALERTS{alertstate="firing", job=~"$job"})'},
        kind="state-timeline",
        width=24,
        values={"1": ("fires", "red")},
        runbook="alerts",
    ),
)

OVERVIEW = Dashboard(
    "openclaw-actors-overview",
    "Overview",
    "Is anything wrong, for whom, and is there room for more? Begin here.",
    (("Now", NOW), ("Calls", CALLS), ("Set-up", SETUP), ("What is promised", SLO)),
)
