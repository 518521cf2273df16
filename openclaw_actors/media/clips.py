"""Sounds to play on a call: a file that a program sends, or one of ours by name. To read one is work for a thread."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np

from openclaw_actors.media.resample import Resampler
from openclaw_actors.media.tones import TONE_RATE, bell, silence, to_pcm, tone

MAX_BYTES = 4 * 1024 * 1024
"""Of a file: 60 s of WAV at 32 kHz mono, ten times that of Opus."""

MAX_S = 60.0
"""Seconds of sound: encoded they are 3,000 packets, 0.7 s of a core."""

_RATES = range(4_000, 192_001)
"""Hz. A header may claim 1 Hz: one frame of it would become half an hour of sound."""

_FORMATS = {b"RIFF": "wav", b"OggS": "ogg"}


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound: s16 mono at ``sample_rate`` Hz."""

    pcm: bytes
    sample_rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / 2 / self.sample_rate


def read_clip(data: bytes) -> Clip:
    """Decode a WAV file or an Ogg file (Opus, Vorbis, FLAC); 5-30 ms of work for seconds of sound.

    Raises:
        ValueError: it is neither, is broken, empty, or too long; the text says which.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"a sound may have {MAX_BYTES} bytes; this has {len(data)}")
    kind = _FORMATS.get(data[:4])
    if kind is None:
        raise ValueError("a sound must be a WAV or an Ogg file")
    try:
        pcm = _decode(data, kind)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ValueError(f"the sound can't be decoded: {error}") from error
    if not pcm:
        raise ValueError("there is no sound in the file")
    return Clip(pcm, TONE_RATE)


def _decode(data: bytes, kind: str) -> bytes:
    limit = int(MAX_S * TONE_RATE) * 2
    pcm = bytearray()
    # The format is named: FFmpeg's guess would try every demuxer it has on a stranger's bytes, playlists among them.
    with av.open(io.BytesIO(data), "r", format=kind) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        resampler: Resampler | None = None
        for frame in container.decode(stream):
            if frame.sample_rate not in _RATES:
                raise ValueError(f"a sound's rate must be {_RATES.start} to {_RATES[-1]} Hz; not {frame.sample_rate}")
            resampler = resampler or Resampler(frame.sample_rate, TONE_RATE)
            pcm += resampler.push_frame(frame)
            if len(pcm) > limit:
                raise ValueError(f"a sound may be {MAX_S:g} s long")
        if resampler is not None:
            pcm += resampler.flush()
    return bytes(pcm)


def known_clip(name: str) -> Clip:
    """One of NAMES.

    Raises:
        ValueError: there is none of that name; the text names those that are.
    """
    make = _KNOWN.get(name)
    if make is None:
        raise ValueError(f"there is no sound {name!r}; there are {', '.join(NAMES)}")
    return Clip(make(), TONE_RATE)


def _beep() -> bytes:
    return to_pcm(0.25 * tone((1000.0,), 0.25))


def _chime() -> bytes:
    first, second = bell(659.26, 1.2, 0.35), bell(523.25, 1.2, 0.45)
    return to_pcm(0.25 * np.concatenate([first[: TONE_RATE // 2], second]))


def _ringback() -> bytes:
    """North American: 440 and 480 Hz, 2 s on, 4 s off (ITU-T E.180)."""
    return to_pcm(np.concatenate([0.12 * tone((440.0, 480.0), 2.0), silence(4.0)]))


def _busy() -> bytes:
    """North American: 480 and 620 Hz, half a second on, half a second off (ITU-T E.180)."""
    return to_pcm(np.tile(np.concatenate([0.12 * tone((480.0, 620.0), 0.5), silence(0.5)]), 4))


_KNOWN: dict[str, Callable[[], bytes]] = {
    "beep": _beep,
    "busy": _busy,
    "chime": _chime,
    "ringback": _ringback,
}
NAMES = tuple(_KNOWN)
