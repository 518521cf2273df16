"""Takes the silence off both ends of a synthesised phrase, as it streams by.

Leading silence is latency that the caller hears (185 ms in a common voice); trailing silence parts two sentences for
longer than a person would (0.875 s from edge-tts). What comes out does not depend on how the stream is cut in pieces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VOICED_RMS = 104
"""Of full scale 32,768: -50 dBFS in a block. Over twelve phrases that begin or end in soft consonants (four, hot, leaf,
mouth) flite's voices slt, rms and awb lost 130-270 ms in front, none of it louder than -52 dBFS, and up to 120 ms
behind, none louder than -58; espeak-ng, which has no silence, lost nothing."""

_BLOCK_S = 0.01
_KEPT_BEFORE = 1
"""Blocks before the first voiced one: the soft start of a consonant."""
_LEADING_MAX_S = 1.0
"""So much silence is dropped at most: music, or a voice too soft for the threshold, is let through after that."""
_KEPT_AFTER_S = 0.1
"""The decay of a last vowel, and the breath between sentences."""
_HELD_MAX_S = 2.0
"""A pause within a phrase is held back no longer than that."""


def _voiced(blocks: NDArray[np.int16]) -> NDArray[np.bool_]:
    power: NDArray[np.float64] = np.square(blocks, dtype=np.float64).mean(axis=1)
    return power >= VOICED_RMS**2


class _Blocks:
    """Cuts a stream into whole blocks of 10 ms."""

    def __init__(self, sample_rate: int) -> None:
        self.size = round(sample_rate * _BLOCK_S) * 2
        self.rest = b""

    def push(self, pcm: bytes) -> tuple[bytes, NDArray[np.bool_]]:
        """The blocks that ``pcm`` completes, and for each whether it is voiced."""
        pcm = self.rest + pcm
        whole = len(pcm) - len(pcm) % self.size
        self.rest = pcm[whole:]
        pcm = pcm[:whole]
        return pcm, _voiced(np.frombuffer(pcm, "<i2").reshape(-1, self.size // 2))

    def flush(self) -> tuple[bytes, bool]:
        """The incomplete block at the end, and whether it is voiced."""
        rest, self.rest = self.rest, b""
        return rest, bool(rest) and bool(_voiced(np.frombuffer(rest, "<i2").reshape(1, -1))[0])


class LeadingTrim:
    """Drops the silence before the first sound, but 10 ms. After 1 s of silence all the rest passes.

    Args:
        sample_rate: Hz of the mono s16 that it is given.
    """

    def __init__(self, sample_rate: int) -> None:
        self._blocks = _Blocks(sample_rate)
        self._before = b""
        self._left = round(_LEADING_MAX_S / _BLOCK_S)
        self._open = False
        self._taken = 0
        self._sample_rate = sample_rate
        self.dropped_s = 0.0
        """Seconds of the start that nobody hears; known from the first sound on."""

    def push(self, pcm: bytes) -> bytes:
        """What of the stream is to be heard so far; ``pcm`` has an even number of bytes."""
        if self._open:
            return pcm
        self._taken += len(pcm)
        blocks, voiced = self._blocks.push(pcm)
        size = self._blocks.size
        first = int(np.argmax(voiced)) if voiced.any() else len(voiced)
        if first >= self._left:
            first = self._left  # the bound; what lies before it is gone
        elif first == len(voiced):
            self._left -= first
            self._before = (self._before + blocks)[-size * _KEPT_BEFORE :]
            return b""
        self._open = True
        before = (self._before + blocks[: first * size])[-size * _KEPT_BEFORE :]
        rest, self._blocks.rest = self._blocks.rest, b""
        heard = before + blocks[first * size :] + rest
        self.dropped_s = (self._taken - len(heard)) / 2 / self._sample_rate
        return heard

    def flush(self) -> bytes:
        """The end: what is left. Empty if all was silence."""
        rest, voiced = self._blocks.flush()
        return self._before + rest if voiced and not self._open else b""


class TrailingTrim:
    """Holds back silence longer than 100 ms until a sound follows; at the end, drops it.

    Args:
        sample_rate: Hz of the mono s16 that it is given.
    """

    def __init__(self, sample_rate: int) -> None:
        self._blocks = _Blocks(sample_rate)
        self._keep = round(_KEPT_AFTER_S / _BLOCK_S)
        self._held_max = round(_HELD_MAX_S / _BLOCK_S) * self._blocks.size
        self._quiet = 0
        self._held = bytearray()

    def push(self, pcm: bytes) -> bytes:
        """What of the stream is to be heard so far; ``pcm`` has an even number of bytes."""
        blocks, voiced = self._blocks.push(pcm)
        size = self._blocks.size
        out = bytearray()
        for number, sounds in enumerate(voiced):
            block = blocks[number * size : (number + 1) * size]
            if sounds:
                out += self._held
                self._held.clear()
                self._quiet = 0
            else:
                self._quiet += 1
            if self._quiet > self._keep:
                self._held += block
            else:
                out += block
        over = len(self._held) - self._held_max
        if over > 0:
            out += self._held[:over]
            del self._held[:over]
        return bytes(out)

    def flush(self) -> bytes:
        """The end: what is still to be heard."""
        rest, voiced = self._blocks.flush()
        if voiced:
            return bytes(self._held) + rest
        return b"" if self._quiet >= self._keep else rest
