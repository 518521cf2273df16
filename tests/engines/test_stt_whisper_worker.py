"""The Whisper worker on models of other shapes: many languages, hot words, windows, devices.

The weights are random: whatever such a model hears, it says one and the same text, which tells what it was asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from openclaw_actors.engines.stt.faster_whisper import FasterWhisperEngine
from openclaw_actors.engines.stt.faster_whisper_worker import Recogniser, Window
from openclaw_actors.engines.stt.whisper_device import choose_device
from openclaw_actors.engines.stt.whisper_job import Job
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import FasterWhisper
from tests.data.random_whisper import Shape, make
from tests.load import whisper_gpu

NO_GPU = ctranslate2.get_cuda_device_count() == 0


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 2000, round(seconds * SAMPLE_RATE)).astype(np.int16).tobytes()


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory):
    return make(tmp_path_factory.mktemp("multilingual"), Shape(64, 2, 2, 2, vocabulary=0))


@pytest.fixture(scope="module")
def turbo_like(tmp_path_factory):
    """As large-v3-turbo differs from the others: 128 mels, 100 languages, few decoder layers."""
    return make(tmp_path_factory.mktemp("turbo"), Shape(64, 2, 3, 1, mels=128, languages=100, vocabulary=0), says=6)


@pytest.fixture(scope="module")
def recogniser(multilingual):
    return Recogniser(str(multilingual), device="cpu")


# --- Language -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "told"), [("de", "de"), ("de-CH", "de"), ("ZH", "zh"), ("yue", "")])
def test_a_language_that_is_named_is_taken_and_one_it_does_not_know_is_not(recogniser, asked, told):
    heard = recogniser(Job(noise(2), asked))
    assert heard.text
    assert heard.language == told


def test_a_guess_that_is_not_sure_is_not_told(recogniser):
    assert recogniser(Job(noise(2))).language == ""  # a hundred languages, all as likely


def test_a_guess_that_is_sure_is_told_unless_too_little_was_said(recogniser, monkeypatch):
    class Sure:
        """The model, but for one answer: random weights are sure of nothing."""

        def __init__(self, model):
            self._model = model

        def __getattr__(self, name):
            return getattr(self._model, name)

        def detect_language(self, encoded):
            return [[("<|pt|>", 0.9)]] * encoded.shape[0]

    monkeypatch.setattr(recogniser._model, "model", Sure(recogniser._model.model))
    long, short, named = recogniser.together([Job(noise(2)), Job(noise(0.5)), Job(noise(2), "de")])
    assert (long.language, short.language, named.language) == ("pt", "", "de")


async def test_each_caller_of_a_batch_has_a_language_of_their_own(multilingual, closing):
    engine = closing(FasterWhisperEngine(FasterWhisper(model=str(multilingual), device="cpu", language="fr")))
    await engine.open()
    assert (await engine.transcribe(noise(2))).language == "fr"
    assert (await engine.transcribe(noise(2), language="es-MX")).language == "es"


# --- Shapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trim", [False, True])
def test_a_model_of_other_sizes_hears_batches_of_all_lengths(turbo_like, trim):
    recogniser = Recogniser(str(turbo_like), device="cpu", trim_context=trim)
    heard = recogniser.together([Job(noise(seconds), "en") for seconds in (0, 0.05, 0.5, 4, 9, 29.9, 30.5, 62)])
    assert [bool(one.text) for one in heard] == [False, False, True, True, True, True, True, True]
    assert len(heard[-1].text) > len(heard[2].text)  # three windows say their text thrice
    assert {one.batch for one in heard} == {8}


def test_the_spectrogram_of_padding_is_not_computed_and_is_the_same(recogniser):
    for seconds in (0.1, 1.0, 4.97, 29.99):
        sound = np.frombuffer(noise(seconds), np.int16).astype(np.float32) / 32_768
        padded = np.pad(sound, (0, 30 * SAMPLE_RATE - len(sound)))
        stock = recogniser._model.feature_extractor(padded, padding=0)
        np.testing.assert_allclose(recogniser._features(sound, 30), stock, atol=1e-5)


def test_it_says_as_much_as_an_utterance_may_hold_and_no_more(recogniser, tmp_path):
    endless = Recogniser(str(make(tmp_path, Shape(64, 2, 2, 2, vocabulary=0), says=50)), device="cpu")
    sound = np.frombuffer(noise(1), np.int16).astype(np.float32) / 32_768
    (decoded,) = endless._decode([Window(0, sound, "en")], 30)
    assert len(decoded.text) == 16 + 25


def test_words_have_times_for_whoever_aligns_them(recogniser):
    sound = np.frombuffer(noise(2), np.int16).astype(np.float32) / 32_768
    encoded = recogniser._model.encode(recogniser._features(sound, 30))
    tokenizer = recogniser._tokenizer("en")
    tokens = tokenizer.encode("yes please")
    (words,) = recogniser._model.find_alignment(tokenizer, [tokens], encoded, 200)
    assert [word["word"].strip() for word in words] == ["yes", "please"]
    assert all(0 <= word["start"] <= word["end"] <= 2 for word in words)


# --- Hot words ----------------------------------------------------------------------------------------------------


def test_hot_words_are_put_before_the_utterance_for_all_of_a_batch(multilingual, recogniser):
    expecting = Recogniser(str(multilingual), device="cpu", hotwords="  Nguyen, Grafana ")
    tokenizer = expecting._tokenizer("en")
    assert tokenizer.decode(expecting._expected(tokenizer)[1:]) == " Nguyen, Grafana"
    plain, other = recogniser(Job(noise(3), "en")).text, expecting(Job(noise(3), "en")).text
    assert plain != other  # this model's text depends on the place alone, and hot words shift it
    heard = expecting.together([Job(noise(3), language) for language in ("en", "de")])
    assert [one.text for one in heard] == [other, other]


def test_more_hot_words_than_there_is_room_for_leave_room_for_what_is_said(multilingual):
    expecting = Recogniser(str(multilingual), device="cpu", hotwords="word " * 500)
    assert len(expecting._expected(expecting._tokenizer("en"))) <= 1 + 112
    expecting.together([Job(noise(29), "en")])


# --- Devices ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
def test_without_a_gpu_auto_is_the_cpu_in_int8(recogniser):
    chosen = choose_device("auto", "auto")
    assert (chosen.name, chosen.compute_type) == ("cpu", "int8")
    assert recogniser.at_once == chosen.batch > 1


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
async def test_a_gpu_that_is_asked_for_and_not_there_is_an_error_that_says_what_to_do(multilingual, closing):
    engine = closing(FasterWhisperEngine(FasterWhisper(model=str(multilingual), device="cuda")))
    with pytest.raises(UnavailableEngineError, match=r'no NVIDIA GPU is seen here.*"auto" takes the CPU'):
        await engine.open()


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
def test_a_gpu_that_is_seen_but_of_no_use_is_told_and_the_cpu_serves(multilingual, monkeypatch, capsys):
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    recogniser = Recogniser(str(multilingual), device="auto")
    assert recogniser(Job(noise(2), "en")).text
    assert "no use of the GPU, the CPU it is" in capsys.readouterr().out
    with pytest.raises(UnavailableEngineError, match=r"the GPU is of no use: .*pip install 'openclaw_actors\[gpu\]'"):
        Recogniser(str(multilingual), device="cuda")


def test_the_matrix_library_of_the_python_package_is_found_without_a_search_path(tmp_path):
    libraries = tmp_path / "nvidia" / "cublas" / "lib"
    libraries.mkdir(parents=True)
    (tmp_path / "nvidia" / "__init__.py").touch()
    (libraries.parent / "__init__.py").touch()
    any_library = next((Path(ctranslate2.__file__).parents[1] / "ctranslate2.libs").glob("libgomp*"))
    shutil.copy(any_library, libraries / "libcublas.so.12")
    code = (
        "from openclaw_actors.engines.stt import whisper_device;"
        "whisper_device._preload_cublas();"
        "print(open('/proc/self/maps').read())"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    loaded = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert str(libraries / "libcublas.so.12") in loaded.stdout


async def test_a_compute_type_that_this_device_does_not_know_is_answered_with_those_that_it_does(multilingual, closing):
    engine = closing(FasterWhisperEngine(FasterWhisper(model=str(multilingual), device="cpu", compute_type="int9")))
    with pytest.raises(UnavailableEngineError, match=r"can't calculate in 'int9'; it can in .*int8"):
        await engine.open()


def test_the_benchmark_has_a_row_for_each_batch(multilingual):
    settings = FasterWhisper(model=str(multilingual), device="cpu")
    rows = whisper_gpu.measure_batches(settings, [1, 3], threads=1, rounds=1)
    assert [row["batch"] for row in rows] == [1, 3]
    assert all(row["seconds"] > 0 and row["cpu_seconds"] > 0 for row in rows)
    assert whisper_gpu.table(rows, []).count("\n| 3 |") == 1


async def test_batch_and_workers_are_taken_from_the_settings(multilingual, closing):
    engine = closing(FasterWhisperEngine(FasterWhisper(model=str(multilingual), device="cpu", batch=7, workers=2)))
    await engine.open()
    assert len(engine._pool.pids) == 2
    assert {process.at_once for process in engine._pool._processes} == {7}
