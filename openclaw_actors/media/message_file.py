"""The sound of a message as a file: Opus in Ogg, mono, which every browser plays. All of it is work for a thread."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np

from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE

_BITS = 24_000
"""Bits a second: speech at 16 kHz is transparent there; two minutes are 0.36 MB."""
_OPTIONS = {"application": "voip", "compression_level": "2"}
"""libopus' complexity: two minutes take 0.9 s of a core; at its best, 10, it is 1.6 s, which calls would miss."""
_FRAME = SAMPLE_RATE // 50
_WINDOW = SAMPLE_RATE // 20
"""50 ms: a pause between words is longer, one within a word shorter."""


def write_message(pcm: bytes, path: Path) -> int:
    """Write ``pcm`` (s16 mono at 16 kHz) to ``path`` and to the disk; its bytes. The file is there whole or not at all.

    120 s take 0.9 s of a core.
    """
    half = path.with_suffix(".tmp")
    with av.open(str(half), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, options=_OPTIONS)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "s16"
        stream.codec_context.bit_rate = _BITS
        stream.codec_context.thread_count = 1
        for start in range(0, len(pcm), 2 * _FRAME):
            piece = pcm[start : start + 2 * _FRAME].ljust(2 * _FRAME, b"\0")
            frame = av.AudioFrame(format="s16", layout="mono", samples=_FRAME)
            frame.planes[0].update(piece)
            frame.sample_rate, frame.pts = SAMPLE_RATE, start // 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    half.chmod(0o600)
    with half.open("rb") as written:
        os.fsync(written.fileno())
    half.replace(path)
    return path.stat().st_size


def read_message(data: bytes, longest_s: float) -> bytes:
    """Decode a WAV or Ogg file to s16 mono at 16 kHz, ``longest_s`` seconds of it at most.

    Raises:
        ValueError: it is neither, or broken.
    """
    kind = {b"RIFF": "wav", b"OggS": "ogg"}.get(data[:4])
    if kind is None:
        raise ValueError("a message must be a WAV or an Ogg file")
    most, pcm = round(longest_s * SAMPLE_RATE) * 2, bytearray()
    try:
        with av.open(io.BytesIO(data), "r", format=kind) as container:
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            resampler: Resampler | None = None
            for frame in container.decode(stream):
                resampler = resampler or Resampler(frame.sample_rate, SAMPLE_RATE)
                pcm += resampler.push_frame(frame)
                if len(pcm) >= most:
                    break
            if resampler is not None:
                pcm += resampler.flush()
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ValueError(f"the sound can't be decoded: {error}") from error
    return bytes(pcm[:most])


def in_pieces(pcm: bytes, longest_s: float = 25.0) -> list[bytes]:
    """Cut ``pcm`` (s16 mono at 16 kHz) into pieces of ``longest_s`` at most, in the quietest place near each end.

    Recognisers hear half a minute at a time; a cut in a word would cost that word.
    """
    longest, pieces = round(longest_s * SAMPLE_RATE), list[bytes]()
    samples = np.frombuffer(pcm, np.int16)
    while len(samples) > longest:
        tail = samples[longest // 2 : longest]
        windows = tail[: len(tail) // _WINDOW * _WINDOW].reshape(-1, _WINDOW).astype(np.float32)
        # Of the quietest, the last: long pieces are recognised better.
        loudness = np.square(windows).mean(axis=1)
        quiet = int(np.flatnonzero(loudness <= loudness.min() * 1.5 + 1)[-1])
        cut = longest // 2 + quiet * _WINDOW + _WINDOW // 2
        pieces.append(samples[:cut].tobytes())
        samples = samples[cut:]
    return [*pieces, samples.tobytes()] if len(samples) else pieces
