"""A whole host in this process, with the embedded engines, and what its resources are."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from dataclasses import astuple, dataclass

import pykka
import pytest

from openclaw_actors.observability import metrics
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import RunningHost, embedded_settings, running_host

GREETING = "Hello! How can I help you today?"
QUESTION = "What is the weather like in Paris today?"
"""flite speaks it without a pause. One of 190 ms, as after "Hello,", may or may not be an end of turn."""


@pytest.fixture
async def host(patient_recogniser):
    """It greets with one word, so that a test need not listen for long."""
    settings = embedded_settings()
    short = settings.agent.model_copy(update={"greeting": "Hello!"})
    async with running_host(settings.model_copy(update={"agent": short})) as running:
        yield running


@pytest.fixture
async def greeting_host(patient_recogniser):
    """It says all of GREETING, 2.3 s in espeak-ng's voice."""
    async with running_host() as running:
        yield running


async def greeted(caller: Caller) -> None:
    """The greeting has been spoken to its end."""
    await caller.wait_voice()
    await caller.wait_silence(quiet_s=0.4)


def words(text: str) -> list[str]:
    """Its words, in lower case."""
    return re.findall(r"[a-z]+", text.lower())


@dataclass(frozen=True)
class Resources:
    """Everything that a call takes, counted."""

    threads: int
    tasks: int
    descriptors: int
    actors: int
    worker_jobs: float
    calls_active: float
    running: int

    @classmethod
    def of(cls, running: RunningHost) -> Resources:
        """Count now."""
        samples = [sample for metric in metrics.REGISTRY.collect() for sample in metric.samples]
        return cls(
            threads=threading.active_count(),
            tasks=len(asyncio.all_tasks()),
            descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names are enough, and no Path is made
            actors=len(pykka.ActorRegistry.get_all()),
            worker_jobs=sum(s.value for s in samples if s.name == "openclaw_actors_pool_queue_depth"),
            calls_active=sum(s.value for s in samples if s.name == "openclaw_actors_calls_active"),
            running=len(running.host.places.running),
        )

    def no_more_than(self, before: Resources) -> bool:
        """Whether nothing is taken beyond what was taken ``before``."""
        return all(now <= then for now, then in zip(astuple(self), astuple(before), strict=True))


async def settled(running: RunningHost) -> Resources:
    """What is taken once no call runs and a second has brought no change."""
    last, looks = Resources.of(running), 0
    for _ in range(300):
        await asyncio.sleep(0.1)
        now = Resources.of(running)
        looks = looks + 1 if now == last and not now.running and not now.calls_active else 0
        if looks == 10:
            return now
        last = now
    raise TimeoutError(f"the host does not come to rest: {last}")


async def back_to(before: Resources, running: RunningHost, timeout_s: float = 15.0) -> Resources:
    """What is taken, as soon as it is no more than ``before``, or after ``timeout_s`` seconds.

    A peer's close joins its threads and its sockets go at the loop's next turn, and nothing tells of that: it is
    looked at.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    now = Resources.of(running)
    while not now.no_more_than(before) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
        now = Resources.of(running)
    return now
