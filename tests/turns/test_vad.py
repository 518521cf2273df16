from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.turns import vad
from openclaw_actors.turns.vad import WINDOW, EnergyVad, SileroVad, Vad

Speak = Callable[[str, str], np.ndarray]

RATE = 16_000
ZEROS = np.zeros(WINDOW, np.float32)

vads = pytest.mark.parametrize("make", [SileroVad, EnergyVad])


def hear(detector: Vad, sound: np.ndarray) -> np.ndarray:
    whole = (sound[: len(sound) // WINDOW * WINDOW].astype(np.float32) / 32_768).reshape(-1, WINDOW)
    return np.array([detector.probability(window) for window in whole])


def noise(seconds: float, rms: float) -> np.ndarray:
    return np.random.default_rng(7).normal(0, rms * 32_768, int(seconds * RATE)).clip(-32_768, 32_767)


@vads
def test_a_voice_is_told_from_the_silence_around_it(make: Callable[[], Vad], speak: Speak) -> None:
    voice = speak("I would like to know whether I should bring an umbrella tomorrow.", "flite:slt")
    silence = np.zeros(RATE)
    heard = hear(make(), np.concatenate([silence, voice, silence]))
    first, last = RATE // WINDOW, (RATE + len(voice)) // WINDOW
    assert heard[: first - 1].max() < 0.35
    assert (heard[first:last] >= 0.5).mean() > 0.6
    assert heard[last + 4 :].max() < 0.35


@vads
@pytest.mark.parametrize("rms", [0.003, 0.05])
def test_steady_noise_is_no_voice(make: Callable[[], Vad], rms: float) -> None:
    assert hear(make(), noise(10, rms)).max() < 0.5


@vads
def test_a_tone_is_no_voice(make: Callable[[], Vad]) -> None:
    tone = 3000 * np.sin(np.arange(5 * RATE) * 2 * np.pi * 440 / RATE)
    assert hear(make(), tone).max() < 0.5


@vads
def test_after_a_reset_the_same_sound_is_judged_the_same(make: Callable[[], Vad], speak: Speak) -> None:
    voice = speak("Stop it, wait a second.", "flite:slt")
    detector = make()
    first = hear(detector, voice)
    detector.reset()
    assert np.array_equal(hear(detector, voice), first)


def test_two_streams_do_not_hear_each_other(speak: Speak) -> None:
    voice = speak("Stop it, wait a second.", "flite:slt")
    alone = hear(SileroVad(), voice)
    one, other = SileroVad(), SileroVad()
    windows = (voice[: len(voice) // WINDOW * WINDOW].astype(np.float32) / 32_768).reshape(-1, WINDOW)
    together = []
    for window in windows:
        together.append(one.probability(window))
        other.probability(window[::-1])
    assert together == list(alone)


@pytest.mark.parametrize("quiet", ["digital silence", "noise"])
@pytest.mark.parametrize("voice", ["flite:slt", "flite:rms"])
def test_a_minute_of_quiet_does_not_deafen_it_to_a_short_word(speak: Speak, quiet: str, voice: str) -> None:
    detector = SileroVad()
    hear(detector, np.zeros(60 * RATE) if quiet == "digital silence" else noise(60, 0.003))
    assert (hear(detector, speak("no", voice)) >= 0.5).sum() >= 3


def test_digital_silence_costs_no_inference_once_the_voice_has_faded(speak: Speak) -> None:
    runs = 0
    session = vad.load_silero()

    class Counting:
        io_binding = session.io_binding

        def run_with_iobinding(self, binding: object) -> None:
            nonlocal runs
            runs += 1
            session.run_with_iobinding(binding)

    detector = SileroVad(Counting())
    hear(detector, speak("Stop it, wait a second.", "flite:slt"))
    before = runs
    for _ in range(100):
        detector.probability(ZEROS)
    assert 0 < runs - before < 10


def test_silence_known_by_its_identity_is_judged_as_any_other(speak: Speak) -> None:
    quiet = np.zeros(20 * WINDOW, np.float32)
    sound = np.concatenate((speak("Stop it.", "flite:slt"), quiet, speak("Go on.", "flite:slt"), quiet))
    windows = [sound[at : at + WINDOW] for at in range(0, len(sound) - WINDOW + 1, WINDOW)]
    one, other = SileroVad(), SileroVad()
    known = [one.probability(vad.SILENCE if not window.any() else window) for window in windows]
    assert known == [other.probability(window) for window in windows]
    assert max(known) > 0.5


def test_a_voice_sounds_the_same_after_skipped_silence(speak: Speak) -> None:
    voice = speak("Please put the black cat back into the basket.", "flite:slt")
    fresh = hear(SileroVad(), voice) >= 0.5
    detector = SileroVad()
    for _ in range(100):
        detector.probability(ZEROS)
    assert np.array_equal(hear(detector, voice) >= 0.5, fresh)


def test_a_soft_voice_after_a_loud_one_is_found(speak: Speak) -> None:
    loud, soft = (level * speak("Hello, is anybody there?", "flite:slt") for level in (1.0, 0.1))
    detector = SileroVad()
    hear(detector, loud)
    hear(detector, np.zeros(2 * RATE))
    alone = hear(SileroVad(), np.concatenate((np.zeros(2 * RATE), soft)))[2 * RATE // WINDOW :] >= 0.5
    after = hear(detector, soft)[-len(alone) :] >= 0.5
    assert after.sum() >= 0.8 * alone.sum() > 0


def test_the_energy_floor_follows_a_sudden_fan_within_two_seconds() -> None:
    detector = EnergyVad()
    hear(detector, np.zeros(2 * RATE))
    fan = hear(detector, noise(4, 0.05))
    assert fan[0] > 0.5
    assert fan[2 * RATE // WINDOW :].max() < 0.5


def test_loading_the_detector_does_not_import_faster_whisper() -> None:
    code = (
        "import sys; from openclaw_actors.turns.vad import SileroVad; SileroVad();"
        "sys.exit('faster_whisper' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    vad.load_silero.cache_clear()
    try:
        with pytest.raises(UnavailableEngineError, match="install faster-whisper"):
            SileroVad()
    finally:
        vad.load_silero.cache_clear()
