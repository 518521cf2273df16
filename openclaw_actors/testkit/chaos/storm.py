"""Random kills over many calls at once: none may drop, none may be left deaf or mute, nothing may be left behind."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from openclaw_actors.messages import START_ORDER
from openclaw_actors.settings.sections import Supervision
from openclaw_actors.testkit.chaos.bench import QUESTION, settings_under_fire, speak, think
from openclaw_actors.testkit.chaos.crowd import Crowd, Went
from openclaw_actors.testkit.chaos.sabotage import stage_of, strike
from openclaw_actors.testkit.chaos.table import Fault
from openclaw_actors.testkit.host import RunningHost, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.resources import Resources, back_to, settled

_WAYS: tuple[Fault, ...] = ("kill", "raise", "end")

UNBOUND = Supervision(stage_restarts=100_000, call_restarts=100_000, stt_final_s=5)
"""The intensity out of the way: restarts without end, each after its back-off."""

DEFAULTS = Supervision(stt_final_s=5)
"""The intensity as it is delivered: 3 in 30 s a stage, 6 in 60 s a call."""

PAUSE_AT_DEFAULTS_S = 12.0
"""Between two kills in one call, at least: five in a minute, of which no stage has more than three in half a one."""


@dataclass
class StormReport:
    """What a storm has left."""

    calls: int
    kills: int = 0
    seconds: float = 0.0
    by_stage: Counter[str] = field(default_factory=Counter)
    went: Went = field(default_factory=Went)
    leaked: str = ""
    """What is taken beyond what was taken before."""

    @property
    def problems(self) -> list[str]:
        """Everything that should not be."""
        return [*self.went.dropped, *self.went.wedged, *([self.leaked] if self.leaked else [])]


async def storm(calls: int, kills: int, supervision: Supervision, pause_s: float, *, seed: int = 11) -> StormReport:
    """Kill stages at random in calls that go on talking.

    Args:
        calls: at once.
        kills: in all.
        supervision: of the host.
        pause_s: between two kills in one call.
        seed: of whom, how and when.
    """
    plan = StubPlan(transcript=QUESTION, reply=think, voice=speak, leading_silence_s=0, token_s=0.02)
    report = StormReport(calls)
    async with OpenAiStub(plan) as stub:
        settings = settings_under_fire(stub, supervision, fallback=False, max_calls=calls)
        async with running_host(settings) as running:
            async with Crowd(running.url, calls) as first:  # what is made once and kept is there after this
                await first.stop()
            before = await _at_rest(running)
            async with Crowd(running.url, calls) as crowd:
                began = time.monotonic()
                await _rage(running, report, kills, pause_s, random.Random(seed))  # noqa: S311 - chance, not a secret
                report.seconds = time.monotonic() - began
                report.went = await crowd.stop()
            await _at_rest(running)
            after = await back_to(before, running, 30)
            if not after.no_more_than(before):
                report.leaked = f"left behind: {after}; before there was {before}"
    return report


async def _at_rest(running: RunningHost) -> Resources:
    """What is taken with no call, each engine left one connection: how many it keeps for later says nothing."""
    catalogue = running.host.catalogue
    for engine in (catalogue.serving("stt"), catalogue.serving("agent"), catalogue.serving("tts")):
        await engine.aclose()
        await engine.open()
    return await settled(running)


async def _rage(running: RunningHost, report: StormReport, kills: int, pause_s: float, chance: random.Random) -> None:
    call_ids = sorted(running.host.places.running)
    async with asyncio.TaskGroup() as group:
        for number, call_id in enumerate(call_ids):
            quota = kills // len(call_ids) + (number < kills % len(call_ids))
            own = random.Random(chance.random())  # noqa: S311
            group.create_task(_kill(running, call_id, report, quota, pause_s, own))


async def _kill(
    running: RunningHost, call_id: str, report: StormReport, quota: int, pause_s: float, chance: random.Random
) -> None:
    await asyncio.sleep(chance.uniform(0, pause_s))
    while quota and call_id in running.host.places.running:
        stage = chance.choice(START_ORDER)
        actor = stage_of(call_id, stage)
        if actor is None:
            await asyncio.sleep(0.02)  # it waits out its back-off: another one
            continue
        strike(actor, chance.choice(_WAYS))
        report.kills += 1
        report.by_stage[stage] += 1
        quota -= 1
        await asyncio.sleep(pause_s)
