"""A real Prometheus scrapes a host that has calls: every panel and every rule has something to say."""

from __future__ import annotations

import asyncio
import math

import pytest
import yaml

from openclaw_actors.settings import Settings
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.load import LoadPlan, Tally, converse
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan

from .boards import QUERIES, RULES
from .prometheus import quicker, running_prometheus

QUIET = {
    "overview: Calls refused": "nobody was refused",
    "overview: Alerts that fire": "nothing is wrong",
    "quality: Round trip": "the stub's callers report within 5 s, or not",
    "phone: How calls by phone end": "there were none",
    "phone: Round trip to carriers": "the same",
    "phone: What carriers were answered": "no carrier asked",
    "stages: Killed after their call": "no call left anything behind",
    "stages: Dead letters": "a voice that breaks off costs no mail",
    "stages: Engines replaced in calls": "no call gave an engine up",
    "stages: Down time": "of the stages that were never down",
    "stages: Jobs a worker takes at once": "all engines are stubs: there are no workers",
    "stages: Jobs that wait for a worker": "the same",
    "stages: Workers killed": "the same",
    "stages: Failures of the store": "it did not fail",
    "cluster: Shared engines: actors that serve": "no cluster, so nothing is shared",
    "cluster: Shared engines: what actors have to do": "the same",
    "cluster: Shared engines: actors lost": "the same",
}
"""Queries that need an event which does not occur here: they may be empty, or (a quantile of nothing) not a number."""

REPLY = "It is sunny in Paris today, with a light wind from the west. You will not need an umbrella."


def settings(url: str) -> Settings:
    service = {"base_url": url, "api_key": "stub"}
    return Settings.model_validate(
        {
            "server": {"port": 0},
            "agent": {"engines": ["openai"], "greeting": "", "openai": {**service, "model": "stub"}},
            "stt": {"engines": ["openai"], "openai": service},
            "tts": {"engines": ["openai"], "openai": service},
        }
    )


@pytest.fixture
async def scraped(flite):
    """Prometheus, when it has seen two callers converse and a voice that broke."""
    question = flite("What is the weather like in Paris today?", "slt")
    objection = flite("No, wait, I meant to ask about tomorrow.", "rms")
    plan = LoadPlan(question, objection, listen_s=0.5, quiet_s=0.4)
    async with OpenAiStub(StubPlan(reply=REPLY)) as stub, running_host(settings(stub.base_url)) as running:
        address = running.url.removeprefix("http://")
        async with running_prometheus([address]) as prometheus:
            await prometheus.until(f'up{{instance="{address}"}} == 1')
            tally = Tally()

            async def call() -> None:
                async with Caller(running.url) as caller:
                    await converse(caller, plan, tally)
                    await prometheus.until("openclaw_actors_mos_estimate_count > 0")

            stub.fail("speech", Fault("garbage"))
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(call())
            assert tally.turns
            # An increase: in a process of many tests the counter itself is far beyond two.
            await prometheus.until('sum(increase(openclaw_actors_calls_ended_total{outcome="completed"}[1m])) > 0')
            await prometheus.until("job:openclaw_actors_slo:burn_rate5m >= 0")
            yield prometheus


async def test_every_panel_and_every_rule_has_something_to_say(scraped):
    silent = []
    for query in QUERIES:
        found = await scraped.query(query.filled(window="1m"))
        if str(query) not in QUIET and not any(math.isfinite(float(series["value"][1])) for series in found):
            silent.append((str(query), query.expr, found))
    assert silent == []

    rules = await scraped.rules()
    assert len(rules) == sum(
        len(group["rules"]) for path in RULES for group in yaml.safe_load(path.read_text())["groups"]
    )
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    assert {rule["name"] for rule in rules if rule["type"] == "recording"} >= {"job:openclaw_actors_slo:burn_rate1h"}

    assert [series["value"][1] for series in await scraped.query("openclaw_actors_ready")] == ["1"]
    told = await scraped.query('{__name__=~"openclaw_actors_.+"}')
    assert not any(value.startswith("call_") for series in told for value in series["metric"].values()), "a call's id"

    restarts = await scraped.query("sum by (stage, reason) (increase(openclaw_actors_stage_restarts_total[1m])) > 0")
    assert [series["metric"] for series in restarts] == [{"stage": "tts", "reason": "broken"}], "which stage, and why"
    failed = await scraped.query("sum by (stage, engine, kind) (increase(openclaw_actors_engine_errors_total[1m])) > 0")
    assert {"stage": "tts", "engine": "openai", "kind": "broken"} in [series["metric"] for series in failed]
    for cost in ("engine_tokens", "engine_characters", "engine_audio_seconds"):
        assert await scraped.query(f"openclaw_actors_{cost}_total > 0"), f"{cost}: what it costs is counted"


def test_what_needs_an_event_is_a_panel():
    assert QUIET.keys() <= {str(query) for query in QUERIES}


def test_a_quicker_clock_shortens_windows_and_patience_alone():
    assert (
        quicker("rate(x[5m]) * 3600 > 0.5\n        for: 1h\n", 10) == "rate(x[30s]) * 3600 > 0.5\n        for: 360s\n"
    )
