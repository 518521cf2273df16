"""A caller's pieces of sound, handed on several at a time while the event loop has much to do.

What a piece costs is mostly its way through the call, whatever its length. So a host that is nearly full hands on two
to four as one, as network cards do under load (interrupt coalescing): it bears more calls, and hears the first of them
20 to 60 ms later. While there is time, every piece goes on at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from openclaw_actors.observability.loop_load import LoopLoad

_LOOK_S = 0.5
_MUCH = (0.6, 0.7, 0.8)
"""Share of its time that the loop computes, above which one piece more is handed on at a time: where it is one now,
two or three."""
_LITTLE = (0.45, 0.55, 0.65)
"""Below which it is one fewer: where it is two now, three or four. A caller who is silent takes 0.82 of the processor's
time at two of what he takes at one, and 0.72 at three (two hosts side by side, 60 lines each), so that a step down does
not lead to a step up."""
_PIECE = 160
"""Bytes of 20 ms, which carriers send at once."""
_OVERDUE_S = 0.1
"""Nothing has come for so long: what is held goes on without it."""

HandOn = Callable[[int, bytes, int, float], None]
"""Takes a timestamp, the sound from there on, of how many pieces it was made, and when the last of them came."""


class Moderation:
    """How much is handed on at a time; one for all of a carrier's streams.

    Args:
        load: the loop's.
    """

    def __init__(self, load: LoopLoad) -> None:
        self._load = load
        self._pieces = 1

    def wanted(self, now: float) -> int:
        """Bytes of mu-law at 8 kHz."""
        if now - self._load.measured_at >= _LOOK_S:
            self._follow(self._load.measure(now))
        return self._pieces * _PIECE

    def _follow(self, busy: float) -> None:
        if self._pieces <= len(_MUCH) and busy > _MUCH[self._pieces - 1]:
            self._pieces += 1
        elif self._pieces > 1 and busy < _LITTLE[self._pieces - 2]:
            self._pieces -= 1


class Coalescer:
    """One stream's.

    Args:
        moderation: how much is handed on at a time.
        hand_on: takes it.
        clock: monotonic seconds.
    """

    def __init__(self, moderation: Moderation, hand_on: HandOn, clock: Callable[[], float] = time.monotonic) -> None:
        self._moderation = moderation
        self._hand_on = hand_on
        self._clock = clock
        self._held: list[bytes] = []
        self._bytes = 0
        self._at = 0
        self._came_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def take(self, at: int, payload: bytes, now: float, *, adjoins: bool) -> None:
        """The next piece.

        Args:
            at: its timestamp.
            payload: its sound, mu-law at 8 kHz.
            now: monotonic seconds.
            adjoins: it follows the one before without a gap; only such are joined.
        """
        wanted = self._moderation.wanted(now)
        if not self._held and len(payload) >= wanted:
            self._hand_on(at, payload, 1, now)
            return
        if not adjoins:
            self.flush()
        if not self._held:
            self._at = at
        self._held.append(payload)
        self._bytes += len(payload)
        self._came_at = now
        if self._bytes >= wanted:
            self.flush()
        elif self._timer is None:
            self._look_in(_OVERDUE_S)

    def flush(self) -> None:
        """Hand on what is held."""
        held, self._held, self._bytes = self._held, [], 0
        if held:
            self._hand_on(self._at, b"".join(held), len(held), self._came_at)

    def close(self) -> None:
        """There will be no more: hand on what is held."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Is what is held overdue? To cancel a timer and make another at each piece would cost what this spares."""
        self._timer = None
        left = self._came_at + _OVERDUE_S - self._clock()
        if self._held and left > 0:
            self._look_in(left)
        else:
            self.flush()
