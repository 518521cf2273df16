"""Echo protection: our own voice, coming back from the caller's loudspeaker, is no caller.

Browsers and telephones cancel echo mostly, speakerphones often do not, and a voice detector finds even an echo of
-30 dB. What comes in is therefore compared with what was sent: as far as it can be made of the sound that was sent
up to 0.7 s ago, by filtering (coherence), it is echo.

Measured by `python -m tests.load.echo`: see docs/latency.md.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.turns.vad import WINDOW, Vad, Window

_RATE = SAMPLE_RATE // 2
"""Hz at which the two are compared: 4 kHz of speech are plenty, and telephones have no more."""

_LOOK = round(0.3 * _RATE)
"""Samples of the caller that are looked at. 0.2 s take one strange voice in ten for an echo, 0.5 s answer late."""

_LOOK_WINDOWS = -(-2 * _LOOK // WINDOW)

_LATEST = round(0.7 * _RATE)
"""Samples by which an echo may be late: network both ways, two jitter buffers, the room."""

_MARGIN = round(0.08 * SAMPLE_RATE)
"""Samples at 16 kHz by which the two clocks may be off: the caller's first packet may have come late by so much."""

_ECHO = 0.4
"""Part of the energy that the sent sound explains, from which on it is echo. In a room with 0.3 s of reverberation and
a distorting loudspeaker, through Opus both ways, echoes have 0.68 and more in 95 % of all windows (-30 dB: 0.64), other
voices 0.3 and less in 95 %, 0.38 in 99 %."""

_SURE = 0.6
"""From here on the delay is taken to be known: at the first sound after a pause it can't be told anew."""

_FFT = _LOOK + _LATEST + _MARGIN // 2
"""Samples: all that was sent. What is heard is shorter by as much as it may be late, so nothing wraps around."""

_BLOCK, _HOP = 256, 64
_LOW, _HIGH = 7, 120
"""Of a block's spectrum: 220 to 3,750 Hz."""

_AUDIBLE = 0.35
"""Probability of a voice below which there is nothing to explain (turns/endpointing.py)."""

_WITHIN = SAMPLE_RATE
"""Samples after our voice has ended in which an echo is still to be reckoned with: its delay and the room's."""

_STRANGE_AMID_ECHO, _STRANGE_AT_FIRST = 2, 5
"""Windows in a row that the sent sound can't explain, from which on they are the caller's: where there has been an echo
within a second (one alone is our first sound after a pause, of which there is too little to compare), and while it is
not known yet whether this line has an echo. Else the first counts."""

_SETTLED, _SETTLED_IF_CLEAN, _AGAIN = 8, 3, 8
"""Windows in a row (256 ms; 96 ms on a line without echo) after which a voice is taken for the caller's, and is looked
at only each 256 ms."""

_CLEAN = 22
"""Windows (0.7 s, the latest that an echo comes) in which we spoke and no voice came back: this line has no echo."""

_FREQUENCIES = np.fft.rfftfreq(_FFT, 1 / _RATE)
_BAND = slice(*np.searchsorted(_FREQUENCIES, (200, 3_700)))
_SHAPE = np.hanning(_BLOCK).astype(np.float32)

Sound = npt.NDArray[np.float32]


class EchoGuardedVad:
    """A Vad that hears no voice where it hears our own.

    Costs next to nothing while we are silent and while nothing comes back; 0.2 ms for each window of 32 ms that holds a
    known echo, 0.4 ms for each of the first three in which the caller speaks over us (eight, while the line may have an
    echo) and for one in eight after them; more than twice that in a host whose caches hold other calls.
    Where there is no echo it holds nobody up; a caller who speaks over an echo is found some 30 ms later.

    Args:
        vad: hears the same stream.
        sent: what we send to the same caller.
    """

    def __init__(self, vad: Vad, sent: SentVoice) -> None:
        self._vad = vad
        self._sent = sent
        self._lag = 0
        self._clean = 0
        self._forget()

    def _forget(self) -> None:
        self._heard: deque[Window] = deque([np.zeros(WINDOW, np.float32)] * _LOOK_WINDOWS, _LOOK_WINDOWS)
        self._position = 0
        self._offset: int | None = None
        self._echo_at = -_WITHIN
        self._strange = 0

    def reset(self) -> None:
        """Forget the stream."""
        self._vad.reset()
        self._forget()

    def probability(self, window: Window) -> float:
        """The next WINDOW samples hold the voice of somebody else than us with this probability, 0 to 1."""
        probability = self._vad.probability(window)
        self._heard.append(window)
        self._position += WINDOW
        now = self._now()
        if now - self._sent.voiced_to > _WITHIN or probability < _AUDIBLE:
            self._strange = 0
            self._clean += now - self._sent.voiced_to <= _MARGIN
            return probability
        if self._strange >= (_SETTLED_IF_CLEAN if self._is_clean else _SETTLED) and self._strange % _AGAIN:
            self._strange += 1
            return probability
        if self._is_echo(now):
            self._strange = 0
            if self._lag:  # else it may be chance
                self._echo_at, self._clean = self._position, 0
            return 0.0
        self._strange += 1
        return probability if self._strange >= self._needed() else 0.0

    def _needed(self) -> int:
        """Windows without an explanation that make a caller."""
        if self._position - self._echo_at <= _WITHIN:
            return _STRANGE_AMID_ECHO
        return 1 if self._lag or self._is_clean else _STRANGE_AT_FIRST

    @property
    def _is_clean(self) -> bool:
        return self._clean >= _CLEAN

    def _now(self) -> int:
        """Where in the sent sound the caller's last sample lies, without delay. Both count samples, at one pace."""
        now = self._position + (self._offset or 0)
        if self._offset is None or abs(now - self._sent.position) > _WITHIN // 2:
            self._offset = self._sent.position - self._position
            now = self._sent.position
        return now

    def _is_echo(self, now: int) -> bool:
        sent = _halve(self._sent.read(now + _MARGIN, 2 * (_LOOK + _LATEST) + _MARGIN))
        heard = _halve(np.concatenate(self._heard))[-_LOOK:]
        known = _explained(sent, heard, self._lag) if self._lag else 0.0
        if known >= _SURE:
            return True
        lag = _delay(sent, heard)
        part = _explained(sent, heard, lag)
        if part >= _SURE:
            self._lag = lag
        return max(part, known) >= _ECHO


def _halve(sound: Sound) -> Sound:
    """16 kHz to 8 kHz."""
    return (sound[0::2] + sound[1::2]) * np.float32(0.5)


def _delay(sent: Sound, heard: Sound) -> int:
    """Samples by which ``heard`` lies behind the end of ``sent``, where the two are most alike."""
    both = np.fft.rfft(heard, _FFT)[_BAND] * np.conj(np.fft.rfft(sent, _FFT)[_BAND])
    # Three quarters of each frequency's level are ignored: with none ignored the pitch is found, with all the noise.
    root = np.sqrt(np.abs(both))
    cross = np.zeros(_FFT // 2 + 1, np.complex64)
    cross[_BAND] = both / (root * np.sqrt(root) + np.float32(1e-9))
    latest = sent.size - heard.size
    alike = np.fft.irfft(cross, _FFT)
    return int(np.argmax(np.concatenate((alike[-latest:], alike[:1]))))


def _explained(sent: Sound, heard: Sound, lag: int) -> float:
    """The part of the energy in ``heard`` that filtering what was sent ``lag`` samples before can make, 0 to 1."""
    start = sent.size - heard.size - lag
    ours, theirs = _spectra(sent[start : start + heard.size]), _spectra(heard)
    common = np.einsum("ij,ij->j", theirs, ours.conj())
    energy = np.einsum("ij,ij->j", ours.real, ours.real) + np.einsum("ij,ij->j", ours.imag, ours.imag)
    explained = np.sum((common.real**2 + common.imag**2) / (energy + 1e-9))
    return float(explained / (np.vdot(theirs, theirs).real + 1e-9))


def _spectra(sound: Sound) -> npt.NDArray[np.complex64]:
    """Of each block, a row."""
    (step,) = sound.strides
    blocks = np.ndarray(((sound.size - _BLOCK) // _HOP + 1, _BLOCK), np.float32, sound, 0, (_HOP * step, step))
    return np.fft.rfft(blocks * _SHAPE, axis=1)[:, _LOW:_HIGH]  # type: ignore[return-value]  # complex64 of float32
