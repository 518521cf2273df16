"""What a scripted caller says: speech of flite's voices, tones and silence, with the samples where the voice lies.

flite (Debian ``flite``) is taken as the speaker because pocketsphinx, the embedded recogniser, understands its
voices slt, rms and awb word for word.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import wave
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from openclaw_actors.engines.tts.espeak_ng import EspeakNgEngine
from openclaw_actors.media.codecs import PCMU, encode_phrase
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import FRAME, SAMPLE_RATE
from openclaw_actors.settings.sections import EspeakNg

Voice = Literal["slt", "rms", "awb", "kal"]

VOICED_DBFS = -45.0
"""A 10 ms block above this level is voice; flite's pauses lie below -58 dBFS, its quietest vowels above -40."""

_BLOCK = SAMPLE_RATE // 100
_LEAD_IN = 3 * _BLOCK
"""30 ms kept before the first voiced block: a soft "h" or "f" lies there, and a recogniser needs it."""


def is_voiced(block: npt.NDArray[np.int16]) -> bool:
    """Whether 10 ms of s16 samples, at any rate, are louder than VOICED_DBFS (RMS against full scale)."""
    x = block.astype(np.float32)
    return bool(np.dot(x, x) / max(1, x.size) > (32768 * 10 ** (VOICED_DBFS / 20)) ** 2)


@dataclass(frozen=True)
class Speech:
    """Something to say.

    Args:
        pcm: 16 kHz mono s16.
        text: the words in it, empty for a mere sound.
    """

    pcm: bytes
    text: str = ""

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return len(self.pcm) / 2 / SAMPLE_RATE

    @cached_property
    def _voiced_blocks(self) -> npt.NDArray[np.intp]:
        x = np.frombuffer(self.pcm, np.int16)
        blocks = x[: x.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        return np.flatnonzero([is_voiced(block) for block in blocks])

    @property
    def voiced_start_sample(self) -> int:
        """The first sample of the first voiced 10 ms block; 0 when nothing is voiced."""
        return int(self._voiced_blocks[0]) * _BLOCK if self._voiced_blocks.size else 0

    @property
    def voiced_end_sample(self) -> int:
        """One past the last sample of the last voiced 10 ms block; 0 when nothing is voiced."""
        return (int(self._voiced_blocks[-1]) + 1) * _BLOCK if self._voiced_blocks.size else 0

    @cached_property
    def packets(self) -> tuple[bytes, ...]:
        """Opus, 20 ms a packet, encoded once (0.3 ms a packet): so one loop can be dozens of callers."""
        return encode_opus(self.pcm)

    @cached_property
    def pcmu_packets(self) -> tuple[bytes, ...]:
        """The same as 20 ms of mu-law a packet; every second sample is dropped, which flite's speech survives."""
        narrow = np.frombuffer(self.pcm, np.int16)[::2]
        return tuple(encode_phrase(PCMU, PCMU.pcm_rate, narrow.tobytes()).packets)

    def then(self, *others: Speech) -> Speech:
        """This and the others, one after another without a gap."""
        parts = (self, *others)
        return Speech(b"".join(p.pcm for p in parts), " ".join(p.text for p in parts if p.text))

    def trimmed(self) -> Speech:
        """Without the silence before (30 ms of it stay) and after the voice."""
        start = max(0, self.voiced_start_sample - _LEAD_IN)
        return Speech(self.pcm[start * 2 : self.voiced_end_sample * 2], self.text)


class OpusEncoder:
    """Encodes one voice, 16 kHz mono s16, as 20 ms Opus packets at 32 kbit/s."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "w")
        self._context.bit_rate = 32_000
        self._context.format = "s16"
        self._context.layout = "mono"
        self._context.sample_rate = SAMPLE_RATE
        self._context.time_base = Fraction(1, SAMPLE_RATE)
        self._context.thread_count = 1
        self._context.options = {"application": "voip", "frame_duration": "20"}
        self._encoded = 0

    def encode(self, frame: npt.NDArray[np.int16]) -> list[bytes]:
        """Encode FRAME samples."""
        audio = av.AudioFrame.from_ndarray(frame.reshape(1, -1), "s16", "mono")
        audio.sample_rate = SAMPLE_RATE
        audio.pts = self._encoded
        self._encoded += frame.size
        return [bytes(packet) for packet in self._context.encode(audio)]


def encode_opus(pcm: bytes) -> tuple[bytes, ...]:
    """Encode 16 kHz mono s16; the last packet is filled up with silence."""
    samples = np.frombuffer(pcm, np.int16)
    samples = np.pad(samples, (0, -samples.size % FRAME))
    encoder = OpusEncoder()
    return tuple(
        packet for start in range(0, samples.size, FRAME) for packet in encoder.encode(samples[start : start + FRAME])
    )


def silence(seconds: float) -> Speech:
    """Digital silence."""
    return Speech(bytes(2 * round(seconds * SAMPLE_RATE)))


def tone(seconds: float, hz: float = 440.0, dbfs: float = -12.0) -> Speech:
    """A sine: loud, and no voice to a voice detector."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    peak = 32767 * 10 ** (dbfs / 20) * np.sqrt(2)
    return Speech((peak * np.sin(2 * np.pi * hz * t)).astype(np.int16).tobytes())


def flite(text: str, voice: Voice = "slt") -> Speech:
    """Speech of one of flite's voices, trimmed; kept on disk, as every test says the same few lines.

    Blocks for the 50-100 ms that flite takes: call it before the call begins.

    Raises:
        FileNotFoundError: flite is not installed (Debian package ``flite``).
    """
    folder = Path(tempfile.gettempdir()) / f"openclaw-actors-flite-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = hashlib.sha256(f"{voice}\x00{text}".encode()).hexdigest()[:32]
    wav = folder / f"{key}.wav"
    if not wav.exists():
        program = shutil.which("flite")
        if program is None:
            raise FileNotFoundError("flite is not installed: apt install flite")
        fresh = wav.with_suffix(f".{os.getpid()}.tmp")
        command = [program, "-voice", voice, "-t", text, "-o", str(fresh)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603 - no shell, own text
        fresh.replace(wav)  # whole or not at all: two test processes may make the same line at once
    return Speech(read_wav(wav).pcm, text).trimmed()


async def espeak(text: str, voice: str = "en-us") -> Speech:
    """Speech of the embedded voice, trimmed: it is there wherever the project is installed.

    Raises:
        EngineError: espeak-ng does not speak.
    """
    engine = EspeakNgEngine(EspeakNg(voice=voice))
    await engine.open()
    resampler = Resampler(engine.sample_rate, SAMPLE_RATE)
    pcm = bytearray()
    try:
        async with aclosing(engine.speak(text)) as sound:
            async for piece in sound:
                if isinstance(piece, bytes):
                    pcm += resampler.push(piece)
    finally:
        await engine.aclose()
    return Speech(bytes(pcm + resampler.flush()), text).trimmed()


def read_wav(path: Path) -> Speech:
    """Any audio file that FFmpeg knows, at any rate, as 16 kHz mono.

    Raises:
        OSError: it can't be read.
        av.FFmpegError: it holds no audio.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    pcm = bytearray()
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise av.InvalidDataError(1, f"no audio stream in {path}")
        for frame in [*container.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                pcm += piece.to_ndarray().tobytes()
    return Speech(bytes(pcm))


def write_wav(path: Path, pcm: bytes, rate: int = SAMPLE_RATE) -> None:
    """Write mono s16 at ``rate`` Hz."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)


def write_microphone(path: Path, *parts: Speech) -> None:
    """The parts one after another as 48 kHz mono: what Chromium's ``--use-file-for-fake-audio-capture`` reads."""
    pcm = b"".join(part.pcm for part in parts)
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16).reshape(1, -1), "s16", "mono")
    frame.sample_rate = SAMPLE_RATE
    resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    write_wav(path, b"".join(piece.to_ndarray().tobytes() for piece in pieces), 48_000)
