"""When the machine itself stood still, or the callers did: witnesses that wait for 5 ms again and again.

One on a core, ahead of everything else that runs there, comes late not for what a host does on the same core, but
because the machine did not run that core: what it runs on has other guests. One on the callers' loop comes late when
they are late to look at what has arrived.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from typing import NamedTuple

WAIT_S = 0.005
LATE_S = 0.005
"""From which lateness on it counts."""


class Stall(NamedTuple):
    """``ended_at``: monotonic seconds, which all processes of a machine share."""

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
    due = time.monotonic()
    while not ended:
        due += WAIT_S
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - due >= LATE_S:
            stalls.append(Stall(now, now - due))
        due = max(due, now)
    for stall in stalls:
        sys.stdout.write(f"{stall.ended_at} {stall.seconds}\n")


if __name__ == "__main__":
    watch(int(sys.argv[1]))
