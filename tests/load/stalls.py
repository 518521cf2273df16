"""When the machine itself stood still: a witness on a core, ahead of everything else that runs there.

It waits for 5 ms again and again. If it comes late, it is not for what a host does on the same core, but because the
machine did not run that core: what it runs on has other guests.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import NamedTuple

WAIT_S = 0.005
LATE_S = 0.02
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


def less_stalls(ended_at: float, seconds: float, stalls: list[Stall]) -> float:
    """What is left of a gap when the stalls in it are taken out, seconds."""
    began_at = ended_at - seconds
    return seconds - sum(
        max(0.0, min(ended_at, stall.ended_at) - max(began_at, stall.ended_at - stall.seconds)) for stall in stalls
    )


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
