"""The clock on which the packets of all calls leave: one timer for many, in place of one for each packet.

A packet then needs no timer, no future and no task's wake-up of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

PACKET_S = 0.02
_GROUPS = 4
"""Calls take turns, 5 ms apart: forty that sent at once would hold up what else is to be done for 1 ms."""
_OBSERVE_EVERY = 50

Tick = Callable[[float], None]
"""Sends what is due at this monotonic time."""


class Pacer:
    """Calls each of its members every 20 ms, on the running loop. It has timers only while it has members."""

    def __init__(self) -> None:
        self._groups = [_Group(number * PACKET_S / _GROUPS) for number in range(_GROUPS)]

    def add(self, tick: Tick) -> None:
        """Call ``tick`` from now on, first at once."""
        min(self._groups, key=lambda group: len(group.members)).add(tick)

    def remove(self, tick: Tick) -> None:
        """No more."""
        for group in self._groups:
            group.remove(tick)


class _Group:
    """Members that share one timer; ``phase``: seconds into each 20 ms."""

    def __init__(self, phase: float) -> None:
        self.members: dict[Tick, None] = {}
        self._phase = phase
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fired = 0

    def add(self, tick: Tick) -> None:
        self.members[tick] = None
        if self._timer is None:
            now = time.monotonic()
            self._due = now - (now - self._phase) % PACKET_S
            self._arm(now)
        # By the group's clock: by one of its own, a packet would be due at any moment between two firings, and where
        # that is near one of them, jitter of 1 ms would have none sent at it and two at the next.
        self._call(tick, self._due - PACKET_S)

    def remove(self, tick: Tick) -> None:
        self.members.pop(tick, None)
        if not self.members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, now: float) -> None:
        while self._due <= now:
            self._due += PACKET_S
        self._timer = asyncio.get_running_loop().call_later(self._due - now, self._fire)

    def _fire(self) -> None:
        now = time.monotonic()
        if self._fired % _OBSERVE_EVERY == 0:
            metrics.pacing_lag_seconds.observe(max(0.0, now - self._due))
        self._fired += 1
        for tick in tuple(self.members):
            self._call(tick, now)
        if self.members:
            # A timer that fires a hair early (uvloop counts whole milliseconds) is not to fire again for the same slot.
            self._arm(max(now, self._due))

    def _call(self, tick: Tick, now: float) -> None:
        try:
            tick(now)
        except Exception:  # one call's fault must not silence the others
            log.exception("a packet could not be sent")
            self.remove(tick)


_pacers: WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer] = WeakKeyDictionary()


def loop_pacer() -> Pacer:
    """The running loop's own."""
    loop = asyncio.get_running_loop()
    return _pacers.setdefault(loop, Pacer())
