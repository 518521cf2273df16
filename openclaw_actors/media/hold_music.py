"""What a caller hears on hold: a quiet loop of bells, or a soft tone now and then. Made here, so it is nobody's work.

A loop begins and ends in silence, so the packets of one encode can be played round and round without a click.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from openclaw_actors.media.codecs import Codec, encode_phrase
from openclaw_actors.media.tones import TONE_RATE, Sound, bell, silence, to_pcm

HoldSound = Literal["music", "tone"]
HOLD_SOUNDS: tuple[HoldSound, ...] = ("music", "tone")

_BEAT_S = 0.4
_PEAK = 0.16
"""Of full scale, for what sounds together: 10 dB below speech, as it goes on for minutes."""

_CHORDS = (
    (261.63, 329.63, 392.00, 493.88),  # C major 7
    (220.00, 261.63, 329.63, 392.00),  # A minor 7
    (174.61, 261.63, 329.63, 440.00),  # F major 7
    (196.00, 246.94, 349.23, 440.00),  # G 9
)
"""Hz, equal temperament at A = 440."""

_PATTERN = (0, 1, 2, 3, 2, 1, 2, 3)
"""Which note of the chord each beat strikes."""

_TONE_EVERY_S = 4.0


def hold_sound(kind: HoldSound) -> bytes:
    """One round of the loop: PCM at TONE_RATE; 14.8 s of music, or 4 s with one soft tone."""
    return to_pcm(_music() if kind == "music" else _comfort_tone())


def hold_packets(codec: Codec, kind: HoldSound) -> tuple[bytes, ...]:
    """The loop encoded: 740 packets of music take 0.06 s of a core in Opus, so it is done once a host."""
    return tuple(encode_phrase(codec, TONE_RATE, hold_sound(kind)).packets)


def _music() -> Sound:
    beats = len(_CHORDS) * len(_PATTERN)
    ring_s = 2.0
    loop = silence(beats * _BEAT_S + ring_s)
    for beat in range(beats):
        chord = _CHORDS[beat // len(_PATTERN)]
        note = bell(chord[_PATTERN[beat % len(_PATTERN)]], ring_s, decay_s=0.5)
        at = round(beat * _BEAT_S * TONE_RATE)
        loop[at : at + len(note)] += note
    return (loop * (_PEAK / float(np.max(np.abs(loop))))).astype(np.float32)


def _comfort_tone() -> Sound:
    struck = _PEAK * bell(440.0, 1.0, decay_s=0.25)
    return np.concatenate([struck, silence(_TONE_EVERY_S - 1.0)])
