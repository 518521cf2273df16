"""When the machine itself stood still, or the callers did: witnesses that wait for 5 ms again and again.

One on a core, ahead of everything else that runs there, comes late not for what a host does on the same core, but
because the machine did not run that core: what it runs on has other guests. It also does a fixed piece of work each
time, and where that takes many times as long as it mostly does, the machine ran that core as much slower. One on the
callers' loop comes late when they are late to look at what has arrived.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from threading import Thread
from typing import NamedTuple

WAIT_S = 0.005
LATE_S = 0.005
"""From which lateness on it counts."""

_WORK = range(300)
"""To be added up: some 10 µs."""

_SLOW = 4
"""Times as long as the median, from which on the machine was slow. A core that does nothing else takes 11 to 14 times
as long for 20 ms about once a second here."""


class Stall(NamedTuple):
    """So much time was lost. ``ended_at``: monotonic seconds, which all processes of a machine share."""

    ended_at: float
    seconds: float


@asynccontextmanager
async def witnessed(core: int) -> AsyncIterator[list[Stall]]:
    """The stalls of a core from now on; filled when the context is left. None where a witness can't go ahead."""
    stalls: list[Stall] = []
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.load.stalls", str(core))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield stalls
    finally:
        told, _ = await process.communicate(b"")
        stalls += [Stall(*map(float, line.split())) for line in told.splitlines()]


@asynccontextmanager
async def own_stalls() -> AsyncIterator[list[Stall]]:
    """Those of the running loop from now on; they are added as they end."""
    stalls: list[Stall] = []

    async def look() -> None:
        while True:
            due = time.monotonic() + WAIT_S
            await asyncio.sleep(WAIT_S)
            late = time.monotonic() - due
            if late >= LATE_S:
                stalls.append(Stall(due + late, late))

    looking = asyncio.create_task(look())
    try:
        yield stalls
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def less_stalls(ended_at: float, seconds: float, stalls: Sequence[Stall]) -> float:
    """What is left of a gap when the stalls in it are taken out, seconds. Those that overlap are taken out once."""
    left, at = seconds, ended_at - seconds
    for stall in sorted(stalls, key=lambda stall: stall.ended_at - stall.seconds):
        begin, end = max(at, stall.ended_at - stall.seconds), min(ended_at, stall.ended_at)
        if end > begin:
            left -= end - begin
            at = end
    return left


class Work(NamedTuple):
    """The fixed piece, once: when it began, and the seconds that it took."""

    began_at: float
    seconds: float


def slow_moments(works: Sequence[Work]) -> list[Stall]:
    """What was lost between two pieces of work where the second took many times as long as most do."""
    usual = median(work.seconds for work in works) if works else 0.0
    return [
        Stall(work.began_at, min(WAIT_S, work.began_at - before.began_at) * (1 - usual / work.seconds))
        for before, work in pairwise(works)
        if work.seconds > _SLOW * usual
    ]


def watch(core: int) -> None:
    """Until standard input ends."""
    ended: list[str] = []
    Thread(target=lambda: ended.append(sys.stdin.read()), daemon=True).start()
    try:
        os.sched_setaffinity(0, {core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        return
    stalls: list[Stall] = []
    works: list[Work] = []
    due = time.monotonic()
    while not ended:
        due += WAIT_S
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - due >= LATE_S:
            stalls.append(Stall(now, now - due))
        due = max(due, now)
        sum(_WORK)
        works.append(Work(now, time.monotonic() - now))
    for stall in (*stalls, *slow_moments(works)):
        sys.stdout.write(f"{stall.ended_at} {stall.seconds}\n")


if __name__ == "__main__":
    watch(int(sys.argv[1]))
