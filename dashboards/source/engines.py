"""Engines: which serve, how fast, what goes wrong with them, and what they cost."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel
from dashboards.source.queries import of, per_minute, quantile, rate, total

_FAILED = rate("engine_errors_total", by="stage, engine")
_HITS = rate("tts_cache_requests_total", 'result!="miss"')
_ANSWERED = rate("engine_latency_seconds_count", by="stage, engine")


def used(title: str, text: str, name: str, by: str) -> Panel:
    """What has been used of something in the whole time that the dashboard shows."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    unit = "s" if "seconds" in name else "short"
    query = f"sum by ({by}) (increase({of(name)}[$__range]))"
    return Panel(title, text, unit, {legend: query}, kind="bargauge", width=8)


SERVING = (
    Panel(
        "Which engines serve",
        "Green: new calls may get it, the first of its stage that is green. GET /readyz says why one does not.",
        "short",
        {"{{stage}}: {{engine}}": total("engine_serving", by="stage, engine", how="min")},
        kind="state-timeline",
        width=24,
        values={"0": ("does not serve", "red"), "1": ("serves", "green")},
        runbook="engineout",
    ),
)

SPEED = (
    Panel(
        "Asked to answered, p50",
        "stt: the whole transcript. agent: the first word. tts: the first sound, of phrases that were not in the "
        "cache.",
        "s",
        {"{{stage}}: {{engine}}": quantile(0.5, "engine_latency_seconds", by="stage, engine")},
        runbook="engineslow",
    ),
    Panel(
        "Asked to answered, p95",
        "The same, of the slowest twentieth.",
        "s",
        {"{{stage}}: {{engine}}": quantile(0.95, "engine_latency_seconds", by="stage, engine")},
        limits=(1.0, 3.0),
        runbook="engineslow",
    ),
    Panel(
        "Failures",
        "By engine and kind, those that happened. transient: tried again in place. refused: a bad key, a quota. slow: "
        "a deadline passed. broken: nonsense. unavailable: nobody answers.",
        "cpm",
        {"{{stage}}: {{engine}} {{kind}}": f"{per_minute('engine_errors_total', by='stage, engine, kind')} > 0"},
        runbook="enginefailing",
    ),
    Panel(
        "Share that failed",
        "Of what an engine was asked.",
        "percentunit",
        {"{{stage}}: {{engine}}": f"{_FAILED} / ({_FAILED} + {_ANSWERED})"},
        limits=(0.02, 0.1),
        most=1,
        runbook="enginefailing",
    ),
    Panel(
        "Answers a minute",
        "What each engine was asked and answered.",
        "cpm",
        {"{{stage}}: {{engine}}": f"60 * {_ANSWERED}"},
    ),
)

CACHE = (
    Panel(
        "Phrases from the cache",
        "Greetings, fillers and what was said before cost no voice, and begin at once.",
        "percentunit",
        {
            "hits": f"{_HITS} / {rate('tts_cache_requests_total')}",
        },
        most=1,
    ),
    Panel(
        "Phrases asked for",
        "By where they were found.",
        "cpm",
        {"{{result}}": per_minute("tts_cache_requests_total", by="result")},
    ),
)

COST = (
    Panel(
        "Tokens a minute",
        "As the models' servers tell them; those that tell none are not here, nor are answers that were broken off.",
        "cpm",
        {"{{engine}} {{direction}}": per_minute("engine_tokens_total", by="engine, direction")},
        width=8,
    ),
    Panel(
        "Characters a minute",
        "Answered by agents, and given to voices to speak (not what came from the cache).",
        "cpm",
        {"{{stage}}: {{engine}}": per_minute("engine_characters_total", by="stage, engine")},
        width=8,
    ),
    Panel(
        "Seconds of sound a second",
        "Given to recognisers (each partial is sound again, but for those that take a stream) and made by voices.",
        "short",
        {"{{stage}}: {{engine}}": rate("engine_audio_seconds_total", by="stage, engine")},
        width=8,
    ),
    used("Tokens in the time shown", "What to multiply with a price list.", "engine_tokens_total", "engine, direction"),
    used("Characters in the time shown", "What voices cost, mostly.", "engine_characters_total", "stage, engine"),
    used("Sound in the time shown", "What recognisers cost, mostly.", "engine_audio_seconds_total", "stage, engine"),
)

ENGINES = Dashboard(
    "openclaw-actors-engines",
    "Engines",
    "Which engines serve, how fast, what goes wrong with them, and what they cost.",
    (("Serving", SERVING), ("Speed and failures", SPEED), ("Cache", CACHE), ("Cost", COST)),
)
