"""Small, real engines and what their sound is measured with, for the tests of speech synthesis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import av
import numpy as np

from openclaw_actors.engines.protocols import OWN_VOICE, Voice

RATE = 24_000

T = TypeVar("T")


async def within(thing: Awaitable[T], seconds: float = 10.0) -> T:
    """Await something that must happen soon."""
    async with asyncio.timeout(seconds):
        return await thing


def tone(seconds: float, hz: float = 300, rate: int = RATE) -> bytes:
    t = np.arange(round(seconds * rate)) / rate
    return (9_000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def silence(seconds: float, rate: int = RATE) -> bytes:
    return bytes(2 * round(seconds * rate))


def loudest_hz(pcm: bytes, rate: int = RATE) -> float:
    sound = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))) * rate / len(sound)


def rms(pcm: bytes) -> float:
    return float(np.sqrt(np.square(np.frombuffer(pcm, "<i2"), dtype=float).mean())) if pcm else 0.0


def heard(packets: tuple[bytes, ...]) -> np.ndarray:
    """Opus packets as a caller's decoder plays them, 48 kHz."""
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


class Tone:
    """An engine that hums: 60 ms a letter, in pieces of 100 ms, between silences; or fails as it is told.

    Args:
        fail: raised after ``fail_after`` pieces.
        gate: when given, each piece waits for one ``release`` of it.
    """

    name = "tone"
    sample_rate = RATE

    def __init__(
        self, *, fail: Exception | None = None, fail_after: int = 0, gate: asyncio.Semaphore | None = None
    ) -> None:
        self.key = "tone/1"
        self.fail = fail
        self.fail_after = fail_after
        self.gate = gate
        self.asked: list[str] = []
        self.running = 0
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        return f"{self.key}/{voice.name}"

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncIterator[bytes]:
        self.asked.append(text)
        self.running += 1
        self.started.set()
        sound = silence(0.185) + tone(0.06 * len(text)) + silence(0.875)
        step = RATE // 10 * 2
        try:
            for count, start in enumerate(range(0, len(sound), step)):
                if self.fail and count == self.fail_after:
                    raise self.fail
                if self.gate:
                    await self.gate.acquire()
                else:
                    await asyncio.sleep(0)
                yield sound[start : start + step]
        finally:
            self.running -= 1
            self.stopped.set()
