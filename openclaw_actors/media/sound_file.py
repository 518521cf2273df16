"""A file that sound is written to as it comes: Opus in Ogg, or WAV. Each can be played whatever cuts it short.

All of it blocks and belongs in a thread. Whoever writes a file gives it a name of its own until it is finished, so
that what a crash has left is known by its name (`repair` finishes it).
"""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import av

RATE = 16_000
"""Hz of all files: the rate at which the caller is heard; speech has little above 8 kHz."""

SoundFormat = Literal["opus", "wav"]
SUFFIXES: dict[SoundFormat, str] = {"opus": ".ogg", "wav": ".wav"}
CONTENT_TYPES: dict[SoundFormat, str] = {"opus": "audio/ogg", "wav": "audio/wav"}
"""RFC 5334 (an Ogg file of sound alone), RFC 2361's short form that browsers know."""

_FRAME = 60 * RATE // 1000
"""60 ms, Opus' longest: a third less work than frames of 20 ms."""
_BITS = {1: 24_000, 2: 40_000}
"""Bits a second by channels: a caller and an agent, who mostly speak by turns, take 18 MB an hour."""
_OPTIONS = {"application": "audio", "frame_duration": "60", "compression_level": "3"}
"""Encoding takes 3.3 ms a second of two sides; `voip` costs twice that, and complexity 10 half as much again."""
_MUXER = {"flush_packets": "1", "page_duration": "240000"}
"""An Ogg page each quarter of a second: with what FFmpeg holds back a kill costs 0.8 s of what was written."""

_WAV_HEADER = 44
_WAV_MOST = 0xFFFF_FFFF - _WAV_HEADER
"""Bytes of samples whose count a header can hold: 18 hours of two sides."""


class SoundFile(Protocol):
    """A file in the making. Every method raises OSError where the disk does not take it."""

    samples: int
    """Written so far, of each channel."""

    def write(self, pcm: bytes) -> None:
        """More s16 at RATE, channels interleaved."""

    def close(self) -> None:
        """The end; closed also where it raises. May be called more than once."""


def create(path: Path, form: SoundFormat, channels: int = 2) -> SoundFile:
    """Begin a file.

    Raises:
        OSError: it can't be made.
    """
    return OggOpusFile(path, channels) if form == "opus" else WavFile(path, channels)


class OggOpusFile:
    """Opus in Ogg (RFC 7845)."""

    def __init__(self, path: Path, channels: int = 2) -> None:
        self.samples = 0
        self._bytes_a_sample = 2 * channels
        self._layout = "stereo" if channels == 2 else "mono"
        self._rest = b""
        # With its scheme: FFmpeg would take a name with a colon for a URL.
        self._output: av.container.OutputContainer | None = av.open(f"file:{path}", "w", "ogg", options=_MUXER)
        stream = self._output.add_stream("libopus", rate=RATE)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - libopus is; this tells mypy
        self._stream = stream
        context = stream.codec_context
        context.layout = self._layout
        context.format = "s16"
        context.bit_rate = _BITS[channels]
        context.thread_count = 1
        context.options = dict(_OPTIONS)

    def write(self, pcm: bytes) -> None:
        """As SoundFile.write; a last part of a frame waits for the next call."""
        pcm = self._rest + pcm
        size = _FRAME * self._bytes_a_sample
        whole = len(pcm) - len(pcm) % size
        self._rest = pcm[whole:]
        for start in range(0, whole, size):
            self._encode(pcm[start : start + size])

    def close(self) -> None:
        """As SoundFile.close; the last frame may be short."""
        output, self._output = self._output, None
        if output is None:
            return
        try:
            if self._rest:
                self._encode(self._rest, output)
            if self.samples:
                output.mux(self._stream.encode(None))
        finally:
            output.close()

    def _encode(self, pcm: bytes, output: av.container.OutputContainer | None = None) -> None:
        output = output or self._output
        if output is None:
            return
        frame = av.AudioFrame(format="s16", layout=self._layout, samples=len(pcm) // self._bytes_a_sample)
        frame.planes[0].update(pcm)
        frame.sample_rate = RATE
        frame.pts = self.samples
        self.samples += frame.samples
        output.mux(self._stream.encode(frame))


class WavFile:
    """PCM in RIFF/WAVE; the header tells the length after each write, so that it is right at any moment."""

    def __init__(self, path: Path, channels: int = 2) -> None:
        self.samples = 0
        self._channels = channels
        self._file: BinaryIO | None = path.open("wb", buffering=0)
        try:
            self._file.write(wav_header(0, channels))
        except OSError:
            self._file.close()
            raise

    def write(self, pcm: bytes) -> None:
        """As SoundFile.write."""
        if self._file is None:
            return
        size = 2 * self._channels
        if self.samples * size + len(pcm) > _WAV_MOST:
            raise OSError("a WAV file holds 4 GiB at most")
        self._file.write(pcm)
        self.samples += len(pcm) // size
        self._file.seek(0)
        self._file.write(wav_header(self.samples * size, self._channels))
        self._file.seek(0, 2)

    def close(self) -> None:
        """As SoundFile.close."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def wav_header(size: int, channels: int) -> bytes:
    """The header of ``size`` bytes of s16 samples at RATE."""
    block = 2 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, channels, RATE, RATE * block, block, 16, b"data", size),
    )


def seconds_of(path: Path) -> float:
    """How long the sound in a file is.

    Raises:
        ValueError: there is none in it.
        OSError: it can't be read.
    """
    try:
        with av.open(f"file:{path}") as container:
            stream = container.streams.audio[0]
            ends = [
                packet.pts + (packet.duration or 0)
                for packet in container.demux(stream)
                if packet.pts is not None and packet.time_base
            ]
            return float(max(ends) * (stream.time_base or 0)) if ends else 0.0
    except (av.error.InvalidDataError, IndexError) as error:
        raise ValueError(f"{path.name} holds no sound: {error}") from error


def repair(part: Path, path: Path) -> float:
    """Finish what a crash has cut short: ``part`` becomes ``path``, with its end marked; how many seconds it holds.

    Raises:
        ValueError: there is no sound in it; it is left as it is.
        OSError: the disk does not take it.
    """
    if seconds_of(part) <= 0:
        raise ValueError(f"{part.name} holds no sound")
    if path.suffix == SUFFIXES["wav"]:
        _mend_header(part)
        part.replace(path)
    else:
        mended = part.with_name(part.name + ".mended")
        try:
            _copy_packets(part, mended)
            mended.replace(path)
        finally:
            mended.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return seconds_of(path)


def _mend_header(path: Path) -> None:
    """A kill between a write and its header leaves the header behind by one write."""
    with path.open("r+b") as file:
        channels = struct.unpack_from("<H", file.read(_WAV_HEADER), 22)[0]
        size = path.stat().st_size - _WAV_HEADER
        file.seek(0)
        file.write(wav_header(size - size % (2 * channels), channels))


def _copy_packets(source: Path, target: Path) -> None:
    """Write the whole packets of an Ogg file anew; its last page may be torn."""
    with av.open(f"file:{source}") as old, av.open(f"file:{target}", "w", "ogg") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        # What is torn shows as an error at its place, behind all that is whole.
        with contextlib.suppress(av.error.InvalidDataError):
            for packet in old.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
