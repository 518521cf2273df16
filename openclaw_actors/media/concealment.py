"""What is heard in place of a lost packet: the voice's last pitch period, repeated and faded, then silence.

A pure-waveform form of ITU-T G.711 appendix I at 16 kHz. The decoder itself is never asked to conceal: PyAV takes
an empty packet for the end of the stream.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from openclaw_actors.messages import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

_FADE = SAMPLE_RATE * 60 // 1000
"""Samples until silence: a vowel that hangs on longer sounds like a robot, and would keep a turn from ending."""
_SHORTEST = SAMPLE_RATE // 400
_LONGEST = SAMPLE_RATE // 66
"""The pitch periods of voices: 400 to 66 Hz, as in G.711 appendix I."""
_TEMPLATE = SAMPLE_RATE // 100
"""Samples that are compared to find the period: 10 ms."""
_HISTORY = _LONGEST + _TEMPLATE
_BLEND = SAMPLE_RATE * 4 // 1000
"""Samples over which real sound takes over again, so that no click is taken for a voice's onset."""


class Concealer:
    """Follows one mono s16 stream of 16 kHz and fills its holes."""

    def __init__(self) -> None:
        self._before = self._last = np.zeros(_HISTORY, np.int16)
        self._period = np.zeros(_SHORTEST, np.int16)
        self._filled = 0

    def heard(self, samples: Samples) -> Samples:
        """Take sound that did arrive; returns it, its first 4 ms blended with the concealment before it."""
        if self._filled and len(samples):
            blend = min(_BLEND, len(samples))
            rise = np.arange(1, blend + 1) / (blend + 1)
            tail = self.conceal(blend)
            samples = samples.copy()
            samples[:blend] = np.rint(samples[:blend] * rise + tail * (1 - rise)).astype(np.int16)
            self._filled = 0
        if len(samples):
            # Two pieces of 20 ms hold the history; they are joined only when there is a hole.
            short = len(samples) + len(self._last) < _HISTORY
            self._before = np.concatenate((self._before, self._last))[-_HISTORY:] if short else self._last
            self._last = samples
        return samples

    def conceal(self, count: int) -> Samples:
        """The next ``count`` samples of a hole."""
        if not self._filled:
            history = np.concatenate((self._before, self._last))[-_HISTORY:]
            self._period = history[-_pitch(history) :]
        at = self._filled + np.arange(count)
        self._filled += count
        gain = np.clip(1 - at / _FADE, 0, 1)
        repeated = self._period[at % len(self._period)]
        return np.rint(repeated * gain).astype(np.int16)


def _pitch(history: Samples) -> int:
    """The lag, in samples, at which the last 10 ms are most like what was before them."""
    sound = history.astype(np.float64)
    template = sound[-_TEMPLATE:]
    lags = np.arange(_SHORTEST, _LONGEST + 1)
    windows = np.lib.stride_tricks.sliding_window_view(sound[:-_SHORTEST], _TEMPLATE)[::-1][: len(lags)]
    energies = np.einsum("ij,ij->i", windows, windows)
    likeness = windows @ template / np.sqrt(energies + 1)
    return int(lags[int(np.argmax(likeness))])
