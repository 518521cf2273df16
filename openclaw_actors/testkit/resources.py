"""Everything that calls take of a host in this process, counted: what is left when they are over is a leak."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import astuple, dataclass
from pathlib import Path

import pykka

from openclaw_actors.observability import metrics
from openclaw_actors.testkit.host import RunningHost


@dataclass(frozen=True)
class Resources:
    """What is taken."""

    threads: int
    processes: int
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
            processes=len(_children()),
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


def _children() -> list[str]:
    """Process ids of this process's children, those that nobody has reaped included."""
    found: list[str] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += (thread / "children").read_text().split()
        except FileNotFoundError:
            continue  # the thread has ended meanwhile
    return found


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
