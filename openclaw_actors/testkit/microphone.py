"""A real microphone and loudspeaker for a scripted caller (extra ``microphone``: PyPI ``sounddevice``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from openclaw_actors.messages import FRAME, SAMPLE_RATE
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.ear import HEARD_RATE
from openclaw_actors.testkit.speakers import OpusEncoder

_MOST_WAITING = HEARD_RATE * 2 // 5
"""Bytes (200 ms) that may wait for the loudspeaker; what is older is dropped, so that delay never grows."""


class NoMicrophoneError(Exception):
    """There is none to speak into; the text says what to do."""


def _sounddevice() -> Any:
    try:
        import sounddevice  # noqa: PLC0415 - an extra: only this command wants it
    except ImportError:
        raise NoMicrophoneError(
            "the microphone needs an extra: pip install 'openclaw_actors[microphone]', or speak a file with --wav"
        ) from None
    except OSError as error:  # PyPI's wheel for Linux leaves PortAudio to the system
        raise NoMicrophoneError(f"{error}: apt install libportaudio2, or speak a file with --wav") from None
    return sounddevice


@contextmanager
def on_microphone(caller: Caller) -> Iterator[None]:
    """Inside the ``with`` the caller speaks what the microphone hears, and the loudspeaker plays the answer.

    Raises:
        NoMicrophoneError: no sounddevice, no PortAudio, no device.
    """
    sd = _sounddevice()
    loop = asyncio.get_running_loop()
    encoder = OpusEncoder()
    waiting = bytearray()

    # PortAudio calls both from its own thread; `waiting` is touched in single bytearray operations, under the GIL.
    def speak(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        packets = encoder.encode(np.frombuffer(bytes(data), np.int16))
        loop.call_soon_threadsafe(caller.mouth.live.extend, packets)

    def play(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        sound = bytes(waiting[: len(data)])
        del waiting[: len(sound)]
        data[:] = sound.ljust(len(data), b"\0")

    def hear(pcm: bytes) -> None:
        waiting.extend(pcm)
        del waiting[: max(0, len(waiting) - _MOST_WAITING)]

    try:
        with (
            sd.RawInputStream(SAMPLE_RATE, FRAME, channels=1, dtype="int16", callback=speak),
            sd.RawOutputStream(HEARD_RATE, HEARD_RATE // 50, channels=1, dtype="int16", callback=play),
        ):
            caller.heard.on_sound = hear
            yield
    except sd.PortAudioError as error:
        raise NoMicrophoneError(f"{error}: plug in a microphone, or speak a file with --wav") from None
    finally:
        caller.heard.on_sound = None
