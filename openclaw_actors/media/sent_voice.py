"""What we have just sent, as sound: the reference by which our own voice is known when it comes back."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from openclaw_actors.messages import FRAME, SAMPLE_RATE

Sound = npt.NDArray[np.float32]

KEPT_S = 1.5
"""Seconds that are kept: how late an echo may come (0.7 s), and how much of it is looked at (0.3 s)."""


class _Piece:
    """One packet's sound, brought to 16 kHz when somebody asks for it, once."""

    __slots__ = ("_pcm", "_samples", "start")

    def __init__(self, start: int, pcm: bytes) -> None:
        self.start = start
        self._pcm = pcm
        self._samples: Sound | None = None

    @property
    def samples(self) -> Sound:
        if self._samples is None:
            sound = np.frombuffer(self._pcm, "<i2").astype(np.float32) / 32_768
            places = np.arange(FRAME) * (sound.size / FRAME)
            self._samples = np.interp(places, np.arange(sound.size), sound).astype(np.float32)
        return self._samples


class SentVoice:
    """The last of one call's outbound sound, by its own clock: FRAME samples at 16 kHz for each packet that left."""

    def __init__(self) -> None:
        self.position = 0
        """Samples sent so far, silence included."""
        self.voiced_to = -round(KEPT_S * SAMPLE_RATE)
        """Where the last sound ends that was not silence; long ago, when there was none."""
        self._pieces: deque[_Piece] = deque(maxlen=round(KEPT_S * SAMPLE_RATE / FRAME))

    def silence(self) -> None:
        """A packet of silence has left."""
        self.position += FRAME

    def voice(self, pcm: bytes) -> None:
        """A packet with this sound, s16 mono at any rate, has left."""
        if pcm:
            self._pieces.append(_Piece(self.position, pcm))
            self.voiced_to = self.position + FRAME
        self.position += FRAME

    def read(self, end: int, count: int) -> Sound:
        """The ``count`` samples before ``end``, 16 kHz, full scale 1; silence where nothing is known. 40 µs a second.

        The sound is brought to 16 kHz by straight lines between its samples: good enough to compare it below 4 kHz.
        """
        out = np.zeros(count, np.float32)
        first = end - count
        for piece in self._pieces:
            start = piece.start
            if start + FRAME <= first or start >= end:
                continue
            low, high = max(0, first - start), min(FRAME, end - start)
            out[start + low - first : start + high - first] = piece.samples[low:high]
        return out
