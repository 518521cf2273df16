"""The time of an exchange's lines: one task for them all. Of 200, one each would be woken 10,000 times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from openclaw_actors.observability.logs import get_logger
from openclaw_actors.testkit.mouth import PACKET_S

_log = get_logger(__name__)

_LEAST_S = 0.001
"""To sleep for, if at all: uvloop's timers count whole milliseconds, and would not sleep for less."""
_AT_ONCE = 32
"""Ticks behind each other, before what the host has sent meanwhile is read."""

Tick = Callable[[float], None]
"""Does what a line does in 20 ms; told when they began."""


@dataclass(eq=False)
class Ticking:
    """One line's."""

    tick: Tick
    due: float
    over: bool = False

    def stop(self) -> None:
        """There is no more of it."""
        self.over = True


class LineClock:
    """Calls each line every 20 ms, from when it began on. One that is late is caught up with."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Ticking]] = []
        self._order = count()
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="line clock")

    def begin(self, tick: Tick) -> Ticking:
        """Call ``tick`` from now on, until it is stopped or raises ConnectionError."""
        ticking = Ticking(tick, time.monotonic())
        self._await(ticking)
        self._more.set()
        return ticking

    async def aclose(self) -> None:
        """Call nobody any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _await(self, ticking: Ticking) -> None:
        heappush(self._due, (ticking.due, next(self._order), ticking))

    async def _run(self) -> None:
        while True:
            if not self._due:
                self._more.clear()
                await self._more.wait()
            left = self._due[0][0] - time.monotonic()
            await asyncio.sleep(max(left, _LEAST_S) if left > 0 else 0)
            for _ in range(_AT_ONCE):
                if not self._due or self._due[0][0] > time.monotonic():
                    break
                _, _, ticking = heappop(self._due)
                self._serve(ticking)

    def _serve(self, ticking: Ticking) -> None:
        if ticking.over:
            return
        try:
            ticking.tick(ticking.due)
        except ConnectionError:
            return
        except Exception:  # noqa: BLE001 - one line's fault must not stop the others
            _log.exception("a line has failed")
            return
        ticking.due += PACKET_S
        self._await(ticking)
