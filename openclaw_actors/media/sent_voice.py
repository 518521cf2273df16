"""What we have just sent, as sound: the reference by which our own voice is known when it comes back."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from openclaw_actors.messages import FRAME, SAMPLE_RATE

KEPT_S = 1.5
"""Seconds that are kept: how late an echo may come (0.7 s), and how much of it is looked at (0.3 s)."""


class SentVoice:
    """The last of one call's outbound sound, by its own clock: FRAME samples at 16 kHz for each packet that left."""

    def __init__(self) -> None:
        self.position = 0
        """Samples sent so far, silence included."""
        self.voiced_to = -round(KEPT_S * SAMPLE_RATE)
        """Where the last sound ends that was not silence; long ago, when there was none."""
        self._slices: deque[tuple[int, bytes]] = deque(maxlen=round(KEPT_S * SAMPLE_RATE / FRAME))

    def silence(self) -> None:
        """A packet of silence has left."""
        self.position += FRAME

    def voice(self, pcm: bytes) -> None:
        """A packet with this sound, s16 mono at any rate, has left."""
        if pcm:
            self._slices.append((self.position, pcm))
            self.voiced_to = self.position + FRAME
        self.position += FRAME

    def read(self, end: int, count: int) -> npt.NDArray[np.float32]:
        """The ``count`` samples before ``end``, 16 kHz, full scale 1; silence where nothing is known. 40 µs a second.

        The sound is brought to 16 kHz by straight lines between its samples: good enough to compare it below 4 kHz.
        """
        out = np.zeros(count, np.float32)
        first = end - count
        for start, pcm in self._slices:
            if start + FRAME <= first or start >= end:
                continue
            samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
            places = np.arange(FRAME) * (samples.size / FRAME)
            frame = np.interp(places, np.arange(samples.size), samples).astype(np.float32)
            low, high = max(0, first - start), min(FRAME, end - start)
            out[start + low - first : start + high - first] = frame[low:high]
        return out
