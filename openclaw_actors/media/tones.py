"""Tones made by us: telephone keys (ITU-T Q.23, Q.24) and the small sounds that a call needs.

All are s16 mono at TONE_RATE; numpy makes a second of sound in under a millisecond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TONE_RATE = 24_000
"""Hz: what Opus is fed with (media/codecs.py), so that no resampler stands between."""

KEY_S = 0.1
GAP_S = 0.1
"""100 ms of tone and of silence: Q.24 asks for 40 and 40 at least, and slow exchanges for 70 and 70."""

PAUSE_S = 0.5
"""What ``w`` stands for, as in Twilio's sendDigits."""

MAX_DIGITS = 64
"""13 s of tones: longer than any menu's answer or card's number."""

_LOW = (697, 770, 852, 941)
_HIGH = (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
KEYS = {key: (low, high) for low, row in zip(_LOW, _KEYPAD, strict=True) for high, key in zip(_HIGH, row, strict=True)}
"""The two frequencies of each key in Hz (Q.23, table 1)."""

_KEY_PEAK = 0.22
"""Of full scale for each of the two: about -13 dBm0 a tone, within what Q.24's receivers take (-3 to -25)."""

_RAMP_S = 0.002
"""A tone that starts within one sample clicks over the whole band, which a detector takes for speech."""

Sound = NDArray[np.floating[Any]]


def check_digits(text: str) -> str:
    """The keys in ``text``, letters as ``A-D`` and ``w``.

    Raises:
        ValueError: there is none, one is unknown, or they are too many; the text says which.
    """
    digits = text.strip().upper().replace("W", "w")
    if not digits:
        raise ValueError("digits must hold at least one key")
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"digits may have {MAX_DIGITS} keys; these are {len(digits)}")
    foreign = sorted({key for key in digits if key != "w" and key not in KEYS})
    if foreign:
        raise ValueError(f"digits may be 0-9, A-D, *, # and w (a pause); not {' '.join(foreign)}")
    return digits


def dtmf(digits: str) -> bytes:
    """The keys as tones, one after another; PCM at TONE_RATE.

    Args:
        digits: as `check_digits` gives them.
    """
    parts: list[Sound] = []
    for key in digits:
        if key == "w":
            parts.append(silence(PAUSE_S))
        else:
            parts += [_KEY_PEAK * tone(KEYS[key], KEY_S), silence(GAP_S)]
    return to_pcm(np.concatenate(parts))


def silence(seconds: float) -> Sound:
    """Nothing, for so long."""
    return np.zeros(round(seconds * TONE_RATE), np.float32)


def tone(frequencies: tuple[float, ...], seconds: float) -> Sound:
    """The sum of sines of amplitude 1 each, with soft ends; frequencies in Hz."""
    time = np.arange(round(seconds * TONE_RATE), dtype=np.float32) / TONE_RATE
    total = np.sum([np.sin(2 * np.pi * hertz * time) for hertz in frequencies], axis=0)
    ramp = np.minimum(1.0, np.minimum(time, time[::-1]) / _RAMP_S)
    return np.asarray(total * ramp, np.float32)


def bell(hertz: float, seconds: float, decay_s: float) -> Sound:
    """A struck tone with its octave, which dies away; amplitude 1 at its start."""
    time = np.arange(round(seconds * TONE_RATE), dtype=np.float32) / TONE_RATE
    wave = 0.8 * np.sin(2 * np.pi * hertz * time) + 0.2 * np.sin(4 * np.pi * hertz * time)
    ends = np.minimum(1.0, np.minimum(time / 0.008, time[::-1] / 0.02))
    return np.asarray(wave * np.exp(-time / decay_s) * ends, np.float32)


def to_pcm(sound: Sound) -> bytes:
    """s16 little-endian; what is louder than full scale is clipped."""
    return bytes((np.clip(sound, -1.0, 1.0) * 32_767).astype("<i2").tobytes())
