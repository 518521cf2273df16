"""The two sides of a call on one time line, sample by sample, and what of it shall not be heard; pure.

Times are samples at RATE since the recording began. Each side's frames follow each other by its own count of samples,
never by when each came: sound that was cut apart where a packet was late would click. Their clock is only looked at to
find where a side begins, and where it has moved for good: a hole, or a sender whose crystal runs fast or slow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from openclaw_actors.media.sound_file import RATE

_SETTLE = 25
"""Frames (0.5 s) by the earliest of which a side is placed: packets come late by jitter, and never early."""
_WINDOW = 50
"""Frames (1 s) of which one at least comes without delay; when even that one is off, the side has moved."""
_OFF = RATE // 50
"""20 ms: what two crystals, 100 ppm apart, come to in 200 s. A busy loop was seen to be 10 ms late for a whole second,
and a listener notices sides that are 40 ms apart."""
_FAR_OFF = RATE // 10
"""So far off, there was a hole, and the side is put right where it was; else where it is quietest."""
_NEW_RUN = RATE // 20
"""50 ms between what was told to be played: more than an echo's jitter, so our voice has paused there."""


@dataclass(slots=True)
class _Frame:
    """Where one was put, how long it is, and how much later it belongs than there."""

    place: int
    size: int
    late: int


class Side:
    """One side's sound, s16 mono."""

    def __init__(self) -> None:
        self._sound = bytearray()
        self._begins = 0
        self._early: list[tuple[bytes, int]] = []
        self._settled = False
        self._recent: deque[_Frame] = deque(maxlen=_WINDOW)

    @property
    def end(self) -> int:
        """Where the next frame goes."""
        return self._begins + len(self._sound) // 2

    def frame(self, pcm: bytes, at: int | None) -> None:
        """One of the frames that come in real time without end.

        Args:
            pcm: its sound.
            at: where it lies if it came without delay; None: when it came says nothing, as it fills a hole.
        """
        if not self._settled:
            # Before the first that tells, a filled hole has no place; behind it, it has the next one.
            if at is None and self._early:
                at = self._early[-1][1] + len(self._early[-1][0]) // 2
            if at is not None:
                self._early.append((pcm, at))
            if len(self._early) >= _SETTLE:
                self._settle()
            return
        self._put(pcm, at)

    def _put(self, pcm: bytes, at: int | None) -> None:
        place = self.end
        self._sound += pcm
        if at is not None:
            self._recent.append(_Frame(place, len(pcm) // 2, at - place))
            if len(self._recent) == _WINDOW:
                self._keep_time()

    def run(self, pcm: bytes, at: int) -> None:
        """Sound that is known to have been played in one piece; ``at``: where it begins, as nearly as can be told."""
        if at - self.end > _NEW_RUN:
            self._sound += bytes(2 * (at - self.end))
        self._sound += pcm

    def take(self, upto: int) -> bytes:
        """What lies before ``upto`` and was not taken yet; silence where nothing has come."""
        if self._early and self._early[0][1] < upto:
            self._settle()
        missing = upto - self.end
        if missing > 0:
            self._sound += bytes(2 * missing)
            self._recent.clear()  # who comes after a hole is measured anew
        size = 2 * (upto - self._begins)
        taken = bytes(self._sound[:size])
        del self._sound[:size]
        self._begins = upto
        return taken

    def _settle(self) -> None:
        starts = accumulate((len(pcm) // 2 for pcm, _ in self._early), initial=0)
        place = min(at - start for (_, at), start in zip(self._early, starts, strict=False))
        early, self._early = self._early, []
        self._settled = True
        ahead = place - self.end
        self._sound += bytes(2 * max(0, ahead))
        for pcm, at in early:
            left_out = min(max(0, -ahead), len(pcm) // 2)  # of what came before the recording began
            ahead += left_out
            self._put(pcm[2 * left_out :], at + left_out)

    def _keep_time(self) -> None:
        """Put the side right if it has moved: whoever came before that has just left the window."""
        moved = min(frame.late for frame in self._recent)
        if abs(moved) <= _OFF:
            return
        here = self._recent[0] if abs(moved) >= _FAR_OFF else min(self._recent, key=self._level)
        start = 2 * max(0, here.place - self._begins)
        if moved > 0:
            self._sound[start:start] = bytes(2 * moved)
        else:
            moved = -min(-moved, here.size, (len(self._sound) - start) // 2)
            del self._sound[start : start - 2 * moved]
        for frame in self._recent:
            frame.late -= moved
            frame.place += moved if frame.place >= here.place else 0

    def _level(self, frame: _Frame) -> int:
        """The loudest sample of a frame; what is written already can't be changed any more."""
        if frame.place < self._begins:
            return 1 << 16
        start = 2 * (frame.place - self._begins)
        samples = np.frombuffer(bytes(self._sound[start : start + 2 * frame.size]), "<i2")
        return int(np.abs(samples.astype(np.int32)).max(initial=0))


class TwoSides:
    """The caller's side and the agent's, and when nothing may be heard of either."""

    def __init__(self) -> None:
        self.caller = Side()
        self.agent = Side()
        self._taken = 0
        self._masks: list[tuple[int, int | None]] = []

    def mask(self, start: int) -> None:
        """Silence from there on, on both sides, until ``unmask``."""
        if not self._masks or self._masks[-1][1] is not None:
            self._masks.append((start, None))

    def unmask(self, end: int) -> None:
        """Sound again from there on."""
        if self._masks and self._masks[-1][1] is None:
            self._masks[-1] = (self._masks[-1][0], end)

    def take(self, upto: int) -> bytes:
        """What lies before ``upto`` and was not taken yet: interleaved, the caller left, the agent right."""
        count = upto - self._taken
        if count <= 0:
            return b""
        both = np.empty((count, 2), np.dtype("<i2"))
        both[:, 0] = np.frombuffer(self.caller.take(upto), "<i2")
        both[:, 1] = np.frombuffer(self.agent.take(upto), "<i2")
        for start, end in self._masks:
            both[max(0, start - self._taken) : count if end is None else max(0, end - self._taken)] = 0
        self._taken = upto
        self._masks = [(start, end) for start, end in self._masks if end is None or end > upto]
        return both.tobytes()
