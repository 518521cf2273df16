"""A whole host in this process, with the embedded engines, and what its resources are."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass

import pykka
import pytest

from openclaw_actors.observability import metrics
from openclaw_actors.testkit.host import RunningHost, running_host

GREETING = "Hello! How can I help you today?"


@pytest.fixture
async def host():
    async with running_host() as running:
        yield running


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


async def back_to(before: Resources, running: RunningHost, timeout_s: float = 15.0) -> Resources:
    """What is taken, as soon as it is what it was ``before``, or after ``timeout_s`` seconds.

    A peer's close joins its threads and its sockets go at the loop's next turn, and nothing tells of that: it is
    looked at.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    now = Resources.of(running)
    while now != before and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
        now = Resources.of(running)
    return now
