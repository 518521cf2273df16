"""Silero and the endpointer on real speech: what a caller would see of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from openclaw_actors.messages import FRAME, SAMPLE_RATE, SpeechStarted, TurnEnded
from openclaw_actors.settings.sections import Turns
from openclaw_actors.turns.endpointing import Endpointer, TurnEvent
from openclaw_actors.turns.vad import EnergyVad, SileroVad, Vad
from tests.turns.conftest import told

Speak = Callable[[str, str], np.ndarray]

VOICES = ["flite:slt", "flite:rms", "flite:awb", "espeak:en-us", "espeak:en-us+f3"]
BEFORE = SAMPLE_RATE  # silence or noise before the voice, and after it
LISTENED = 2 * SAMPLE_RATE


def listen(sound: np.ndarray, vad: Vad | None = None, turns: Turns | None = None) -> list[TurnEvent]:
    endpointer = Endpointer(turns or Turns(), vad=vad or SileroVad())
    pcm = sound.clip(-32_768, 32_767).astype("<i2").tobytes()
    events: list[TurnEvent] = []
    for start in range(0, len(pcm) // 2 - FRAME + 1, FRAME):
        frame = pcm[2 * start : 2 * (start + FRAME)]
        events += told(endpointer, endpointer.push(start, frame, (start + FRAME) / SAMPLE_RATE))
    return events


def among(voice: np.ndarray, noise_rms: float = 0.0) -> np.ndarray:
    sound = np.concatenate([np.zeros(BEFORE), voice, np.zeros(LISTENED)])
    return sound + np.random.default_rng(3).normal(0, noise_rms * 32_768, len(sound))


def starts(events: list[TurnEvent]) -> list[SpeechStarted]:
    return [event for event in events if isinstance(event, SpeechStarted)]


def ends(events: list[TurnEvent]) -> list[TurnEnded]:
    return [event for event in events if isinstance(event, TurnEnded)]


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("noise_rms", [0.0, 0.003])
@pytest.mark.parametrize("text", ["What is the weather like in Paris today", "Book a table for two people"])
def test_a_sentence_is_one_turn_from_its_beginning_to_its_end(
    speak: Speak, voice: str, noise_rms: float, text: str
) -> None:
    spoken = speak(text, voice)
    events = listen(among(spoken, noise_rms))
    (started,), (ended,) = starts(events), ends(events)
    assert abs(started.utterance - BEFORE) <= 0.1 * SAMPLE_RATE
    assert abs(ended.end - (BEFORE + len(spoken))) <= 0.1 * SAMPLE_RATE
    assert ended.voiced_at == pytest.approx(ended.end / SAMPLE_RATE, abs=0.02)


@pytest.mark.parametrize("voice", VOICES)
def test_the_end_is_told_soon_after_the_silence_that_makes_it(speak: Speak, voice: str) -> None:
    spoken = speak("What is the weather like in Paris today", voice)
    deadline = BEFORE + len(spoken) + int((0.2 + 0.12) * SAMPLE_RATE)
    assert len(ends(listen(among(spoken)[: deadline + FRAME]))) == 1


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("word", ["Stop", "Yes", "No"])
def test_one_short_word_is_heard(speak: Speak, voice: str, word: str) -> None:
    spoken = speak(word, voice)
    events = listen(among(spoken))
    assert len(starts(events)) == len(ends(events)) == 1
    assert abs(starts(events)[0].utterance - BEFORE) <= 0.2 * SAMPLE_RATE  # slt says 190 ms of unvoiced "st"


def test_a_comma_does_not_cut_a_sentence_in_two(speak: Speak) -> None:
    text = "I would like to know whether I should bring an umbrella tomorrow, and what time the train leaves."
    assert len(ends(listen(among(speak(text, "flite:slt"))))) == 1


@pytest.mark.parametrize("make", [SileroVad, EnergyVad])
def test_noise_tones_and_silence_are_nobody(make: Callable[[], Vad]) -> None:
    rng = np.random.default_rng(5)
    seconds = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    for sound in (
        np.zeros(8 * SAMPLE_RATE),
        rng.normal(0, 100, 8 * SAMPLE_RATE),
        rng.normal(0, 1600, 8 * SAMPLE_RATE),
        3000 * np.sin(seconds * 2 * np.pi * 440),
        800 * sum(np.sin(seconds * 2 * np.pi * 50 * n) / n for n in range(1, 8)),  # mains hum
    ):
        assert listen(sound, make()) == []


def test_the_energy_detector_also_finds_a_sentence_and_its_end(speak: Speak) -> None:
    spoken = speak("What is the weather like in Paris today", "flite:slt")
    events = listen(among(spoken, 0.001), EnergyVad(), Turns(silence_ms=400))
    assert len(starts(events)) == 1
    assert abs(ends(events)[0].end - (BEFORE + len(spoken))) <= 0.1 * SAMPLE_RATE
