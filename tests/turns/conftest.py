"""Voices that speak: flite, and espeak-ng in a process of its own, as it is one global per process."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from openclaw_actors.messages import LikelyEnd
from openclaw_actors.testkit import speakers
from openclaw_actors.turns.endpointing import Endpointer, TurnEvent
from tests.conftest import needs_program

Sound = npt.NDArray[np.int16]
Speak = Callable[[str, str], Sound]

_ESPEAK = """
import ctypes, sys, espeakng_loader
lib = ctypes.CDLL(espeakng_loader.get_library_path())
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
sound = bytearray()
@callback
def hear(samples, count, events):
    if samples and count:
        sound.extend(ctypes.string_at(samples, 2 * count))
    return 0
rate = lib.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
assert rate == 22050, rate
lib.espeak_SetSynthCallback(hear)
assert lib.espeak_SetVoiceByName(sys.argv[1].encode()) == 0
text = sys.argv[2].encode() + b"\\0"
assert lib.espeak_Synth(text, len(text), 0, 0, 0, 1, None, None) == 0
sys.stdout.buffer.write(sound)
"""


def _espeak(text: str, voice: str) -> Sound:
    done = subprocess.run([sys.executable, "-c", _ESPEAK, voice, text], check=True, capture_output=True, timeout=30)
    at_22k = np.frombuffer(done.stdout, np.int16)
    times = np.arange(0, len(at_22k), 22_050 / 16_000)
    return np.interp(times, np.arange(len(at_22k)), at_22k).astype(np.int16)


def told(endpointer: Endpointer, events: list[TurnEvent], words: float | None = 1.0) -> list[TurnEvent]:
    """The events, and what the words of a likely end among them bring about."""
    if words is None:
        return events
    more = [endpointer.weigh(e.utterance, e.rev, words=words) for e in events if isinstance(e, LikelyEnd)]
    return [*events, *itertools.chain(*more)]


@pytest.fixture(scope="session")
def speak() -> Speak:
    """Text and voice (``flite:slt``, ``espeak:en-us``) to 16 kHz mono, silence around the voice cut away."""
    spoken: dict[tuple[str, str], Sound] = {}

    def voice_of(text: str, voice: str) -> Sound:
        if (text, voice) not in spoken:
            engine, name = voice.split(":")
            if engine == "flite":
                needs_program("flite", "apt install flite")
                sound = np.frombuffer(speakers.flite(text, name).pcm, np.int16)
            else:
                sound = _espeak(text, name)
            loud = np.flatnonzero(np.abs(sound) > 300)  # -41 dBFS: where an ear would say it begins
            spoken[text, voice] = sound[loud[0] : loud[-1] + 1]
        return spoken[text, voice]

    return voice_of
