"""Sounds whose place in a recording can be found to the sample: sweeps, by correlation with what was sent."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from openclaw_actors.messages import SAMPLE_RATE

Sound = npt.NDArray[np.float64]

EVERY_S = 0.5
"""From one chirp of a train to the next."""
_CHIRP_S = 0.1


def chirp(rate: int = SAMPLE_RATE, low: float = 500, high: float = 2500) -> Sound:
    """A tenth of a second that sweeps from ``low`` to ``high`` Hz and fades in and out."""
    at = np.arange(round(_CHIRP_S * rate)) / rate
    sweep = np.sin(2 * np.pi * (low * at + (high - low) * at**2 / (2 * _CHIRP_S)))
    return 8000 * sweep * np.hanning(at.size)


def train(count: int, rate: int = SAMPLE_RATE, **sweep: float) -> bytes:
    """``count`` chirps, EVERY_S apart, as s16."""
    sound = np.zeros(round((count * EVERY_S) * rate))
    one = chirp(rate, **sweep)
    for number in range(count):
        start = round(number * EVERY_S * rate)
        sound[start : start + one.size] += one
    return sound.astype("<i2").tobytes()


def wav(pcm: bytes, rate: int = SAMPLE_RATE) -> bytes:
    """The bytes of a WAV file of mono s16."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return out.getvalue()


def places(sound: Sound, one: Sound, least: float = 0.5) -> list[int]:
    """Where each chirp begins, in samples; ``least``: of the loudest one's likeness."""
    size = 1 << int(sound.size + one.size).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(one, size)), size)[: sound.size]
    peak = float(likeness.max(initial=0.0))
    if peak < 0.2 * float(np.dot(one, one)):
        return []
    found: list[int] = []
    candidates = np.flatnonzero(likeness > least * peak)
    while candidates.size:
        group = candidates[candidates < candidates[0] + one.size]
        found.append(int(group[np.argmax(likeness[group])]))
        candidates = candidates[candidates >= candidates[0] + one.size]
    return found


def gaps(places: list[int]) -> list[int]:
    """Samples from each to the next."""
    return [int(each) for each in np.diff(places)]


def sides(path: Path) -> tuple[Sound, Sound]:
    """The caller's and the agent's side of a recording, at 16 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "stereo", SAMPLE_RATE)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    both = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in frames]).astype(np.float64)
    return both[:, 0], both[:, 1]


def loudness(sound: Sound) -> float:
    """Root mean square; 0 for nothing."""
    return float(np.sqrt(np.mean(sound**2))) if sound.size else 0.0
