"""Things go wrong on a host that callers talk to: does the right alert tell, and do the queries say what it is?

``make observe``: a host, its providers as stubs, callers who converse all the while, and a real Prometheus with the
project's rules on a clock that is ten times as quick, so that a stage which fails every 3 s here is one that fails
every 30 s there. One thing goes wrong at a time. Prints a table, and draws pictures of the dashboards' main panels from
what Prometheus has kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import LoadPlan, Tally, converse
from openclaw_actors.testkit.lossy import Impairment, LossyLink
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import Speech, flite
from openclaw_actors.testkit.waiting import CallEndedError
from tests.load.stubs import CONFIG, OBJECTION, QUESTION
from tests.observability.prometheus import Prometheus, running_prometheus

CALLERS = 5
PLACES = 7
QUICKER = 10
"""How many times shorter the rules' windows are."""
CALM_S = 30.0
PATIENCE_S = 100.0
"""For an alert; its own windows and patience are up to 60 s on the quick clock."""

SETTINGS = (
    CONFIG.replace("port = 0", f"port = 0\nmax_calls = {PLACES}")
    + """
[supervision]
stage_restarts = 1000
call_restarts = 1000
"""
)
"""Restarts without end: what is looked at is the alert, not the ladder."""


@dataclass
class Scene:
    """What the host is in, for as long as it is played."""

    url: str
    stub: OpenAiStub
    links: list[LossyLink] = field(default_factory=list)


@dataclass(frozen=True)
class Incident:
    """One thing that goes wrong.

    Args:
        name: what.
        alerts: those that must tell of it, with labels that they must have.
        query: by which the runbook finds the culprit.
        culprit: labels of what it must find.
        happens: does it until it is cancelled, and mends it then.
    """

    name: str
    alerts: dict[str, dict[str, str]]
    query: str
    culprit: dict[str, str]
    happens: Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """What Prometheus made of an incident: Unix times, seconds until each alert told, and what the query found."""

    incident: Incident
    began: float
    ended: float
    told_after: dict[str, float]
    found: list[dict[str, str]]

    @property
    def holds(self) -> bool:
        """Everything told in time, and the culprit found."""
        culprit = self.incident.culprit.items()
        return self.told_after.keys() == self.incident.alerts.keys() and any(culprit <= f.items() for f in self.found)


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def _failing_voice(scene: Scene) -> None:
    while True:
        scene.stub.fail("speech", Fault("garbage"))
        await asyncio.sleep(30 / QUICKER)


async def _slow_model(scene: Scene) -> None:
    well = scene.stub.plan
    scene.stub.plan = replace(well, first_token_s=2.5)
    try:
        await asyncio.Event().wait()
    finally:
        scene.stub.plan = well


async def _full(scene: Scene) -> None:
    async def stay() -> None:
        async with Caller(scene.url, keep_audio=False):
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(PLACES - CALLERS):
            group.create_task(stay())
        while True:
            await asyncio.sleep(2)
            with suppress(CallRefusedError):
                async with Caller(scene.url, keep_audio=False):
                    pass


async def _lossy(scene: Scene) -> None:
    bad = Impairment(loss=0.2, delay_s=0.15)
    for link in scene.links:
        link.change(bad, bad)
    try:
        await asyncio.Event().wait()
    finally:
        for link in scene.links:
            link.change()


INCIDENTS = (
    Incident(
        "a voice that fails every 30 s",
        {"StageRestarting": {"stage": "tts", "reason": "broken"}},
        "sum by (stage, engine, kind) (increase(openclaw_actors_engine_errors_total[30s])) > 0",
        {"stage": "tts", "engine": "openai", "kind": "broken"},
        _failing_voice,
    ),
    Incident(
        "a model that is slow",
        {"EngineSlow": {"stage": "agent", "engine": "openai"}},
        "topk(1, histogram_quantile(0.9, sum by (stage, engine, le) "
        "(rate(openclaw_actors_engine_latency_seconds_bucket[30s]))))",
        {"stage": "agent", "engine": "openai"},
        _slow_model,
    ),
    Incident(
        "a host that is full",
        {"HostNearlyFull": {}, "CallersRefusedFull": {}},
        "sum by (reason) (increase(openclaw_actors_calls_rejected_total[30s])) > 0",
        {"reason": "full"},
        _full,
    ),
    Incident(
        "a network that loses packets",
        {"LineLossy": {}, "LineQualityLow": {}},
        "sum by (job) (rate(openclaw_actors_rtp_packets_lost_total[30s])) > 1",
        {"job": "openclaw-actors"},
        _lossy,
    ),
)


# --- the play ---------------------------------------------------------------------------------------------------------


async def _caller(scene: Scene, plan: LoadPlan) -> None:
    """Call, converse, and call again when the call ends."""
    link = LossyLink()
    scene.links.append(link)
    while True:
        with suppress(CallRefusedError, CallEndedError, TimeoutError):
            async with Caller(scene.url, keep_audio=False, prepare=link.attach) as caller:
                while True:
                    await converse(caller, plan, Tally())


@asynccontextmanager
async def _conversations(scene: Scene, speech: tuple[Speech, Speech]) -> AsyncIterator[None]:
    plan = LoadPlan(*speech, answer_s=20)
    tasks = [asyncio.create_task(_caller(scene, plan)) for _ in range(CALLERS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _play(incident: Incident, scene: Scene, prometheus: Prometheus) -> Seen:
    began, told = time.time(), dict[str, float]()
    happening = asyncio.ensure_future(incident.happens(scene))
    found: list[dict[str, str]] = []
    try:
        while told.keys() != incident.alerts.keys() and time.time() - began < PATIENCE_S:
            await asyncio.sleep(1)
            assert not happening.done(), happening
            for labels in await prometheus.firing():
                wanted = incident.alerts.get(labels["alertname"])
                if wanted is not None and wanted.items() <= labels.items():
                    told.setdefault(labels["alertname"], time.time() - began)
        found = [series["metric"] for series in await prometheus.query(incident.query)]
    finally:
        happening.cancel()
        await asyncio.gather(happening, return_exceptions=True)
    return Seen(incident, began, time.time(), told, found)


async def run(out: Path | None) -> tuple[list[str], list[Seen]]:
    """Play all incidents; the alerts that fired while all was well, and what was seen."""
    speech = flite(QUESTION), flite(OBJECTION, "rms")
    for each in speech:
        _ = each.packets
    async with (
        OpenAiStub(StubPlan(reply="It is sunny in Paris today, with a light wind from the west.")) as stub,
        HostProcess(SETTINGS.format(url=stub.base_url)) as host,
        running_prometheus([host.url.removeprefix("http://")], QUICKER) as prometheus,
    ):
        scene, began = Scene(host.url, stub), time.time()
        async with _conversations(scene, speech):
            await asyncio.sleep(CALM_S)
            calm = sorted({labels["alertname"] for labels in await prometheus.firing()})
            seen = []
            for incident in INCIDENTS:
                seen.append(await _play(incident, scene, prometheus))
                sys.stderr.write(f"{incident.name}: {seen[-1].told_after}\n")
                await asyncio.sleep(CALM_S)
            if out is not None:
                from tests.load.observe_pictures import draw

                await draw(prometheus, began, seen, out)
    return calm, seen


def table(seen: Sequence[Seen]) -> str:
    """What was seen, as markdown."""
    lines = ["| what went wrong | alert | told after | found by the runbook's query |", "|---|---|--:|---|"]
    for each in seen:
        for alert in each.incident.alerts:
            after = each.told_after.get(alert)
            labels = ", ".join(f"`{key}={value}`" for key, value in each.incident.culprit.items())
            told = "never" if after is None else f"{after:.0f} s"
            lines.append(f"| {each.incident.name} | {alert} | {told} | {labels if each.holds else 'no'} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Play, print; 1 when an alert did not tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of what Prometheus has kept")
    options = parser.parse_args(argv)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    calm, seen = asyncio.run(run(options.pictures))
    sys.stdout.write(f"{table(seen)}\n\nWhile all was well: {', '.join(calm) or 'no alert'}.\n")
    return 0 if all(each.holds for each in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
