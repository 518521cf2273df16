"""Whisper on this machine: what it recognises, how it gets its model, and what it says when it can't."""

from __future__ import annotations

import asyncio
import shutil
import wave
from pathlib import Path

import jiwer
import psutil
import pytest
from fake_hub import Hub

from openclaw_actors.engines.catalogue import Catalogue, Fetching
from openclaw_actors.engines.stt.faster_whisper import FasterWhisperEngine
from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.settings.sections import FasterWhisper

DATA = Path(__file__).parents[1] / "data"
MODEL = DATA / "mini-whisper"


def speech():
    for path in sorted((DATA / "speech").glob("*.wav")):
        with wave.open(str(path)) as file:
            yield path.stem.replace("-", " "), file.readframes(file.getnframes())


def settings(model=MODEL, **more):
    return FasterWhisper(model=str(model), device="cpu", compute_type="int8", **more)


@pytest.fixture
async def engine(closing):
    engine = closing(FasterWhisperEngine(settings(trim_context=True)))
    await engine.open()
    return engine


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty model cache, and a hub at a port that nobody listens on."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
async def hub(cache, monkeypatch):
    async with Hub("Systran/faster-whisper-small", MODEL).serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


# --- Hearing -----------------------------------------------------------------------------------------------------


async def test_real_sentences_are_recognised_word_for_word(engine):
    said, heard = zip(*[(text, (await engine.transcribe(pcm)).text) for text, pcm in speech()], strict=True)
    assert len(said) == 5
    assert heard == said


async def test_the_stock_context_of_30_s_recognises_them_too(closing):
    engine = closing(FasterWhisperEngine(settings()))
    await engine.open()
    said, heard = zip(*[(text, (await engine.transcribe(pcm)).text) for text, pcm in speech()], strict=True)
    assert jiwer.wer(list(said), list(heard)) <= 0.2


async def test_an_utterance_longer_than_a_window_is_heard_to_its_end(engine):
    stop = dict(speech())["stop"]
    pcm = stop + bytes(30 * 2 * 16_000 - len(stop)) + stop
    assert (await engine.transcribe(pcm)).text.split()[-1] == "stop"


async def test_nothing_and_next_to_nothing_are_no_words(engine):
    for length in (0, 1, 2, 3001):
        assert (await engine.transcribe(bytes(length))).text == ""


async def test_the_language_is_named_and_an_english_model_stays_english(engine):
    transcript = await engine.transcribe(dict(speech())["yes please"], language="de-CH")
    assert (transcript.text, transcript.language) == ("yes please", "en")


async def test_partials_are_offered_only_where_they_are_cheap_and_wait_for_no_final(engine):
    assert engine.partial_every_s in (0.0, 0.5, 1.0)
    assert (await engine.transcribe(dict(speech())["stop"], final=False)).text == "stop"


async def test_many_callers_at_once_each_get_their_own_words(engine):
    said = [*speech()] * 3
    heard = await asyncio.gather(*(engine.transcribe(pcm) for _, pcm in said))
    assert [transcript.text for transcript in heard] == [text for text, _ in said]


async def test_a_killed_worker_costs_a_caller_nothing_but_time(engine):
    children = psutil.Process().children()
    assert len(children) == 1
    children[0].kill()
    assert (await engine.transcribe(dict(speech())["stop"])).text == "stop"


# --- Its model -----------------------------------------------------------------------------------------------------


async def test_without_a_network_it_says_at_once_which_command_fetches_the_model(cache, closing):
    engine = closing(FasterWhisperEngine(settings("small")))
    async with asyncio.timeout(20):
        with pytest.raises(UnavailableEngineError, match="hf download Systran/faster-whisper-small"):
            await engine.open()
    assert engine.progress is None
    assert not psutil.Process().children()


async def test_downloads_that_are_switched_off_are_not_tried(hub, closing):
    engine = closing(FasterWhisperEngine(settings("small", download=False)))
    with pytest.raises(UnavailableEngineError, match="download is false"):
        await engine.open()
    assert hub.asked == []


async def test_an_unknown_model_is_answered_with_those_that_are_known(cache, closing):
    engine = closing(FasterWhisperEngine(settings("smal")))
    with pytest.raises(UnavailableEngineError, match=r"no model 'smal'; .*\bsmall\b"):
        await engine.open()


async def test_a_directory_that_is_no_model_is_an_error_with_its_reason(tmp_path, closing):
    shutil.copy(MODEL / "config.json", tmp_path)
    engine = closing(FasterWhisperEngine(settings(tmp_path)))
    with pytest.raises(UnavailableEngineError, match=r"model\.bin"):
        await engine.open()


async def test_a_model_is_fetched_in_the_background_and_takes_over_from_the_embedded_engine(hub, closing):
    hub.gate.clear()
    whisper = FasterWhisperEngine(settings("small", trim_context=True))
    assert isinstance(whisper, Fetching)
    catalogue = closing(Catalogue({"stt": [whisper, PocketSphinxEngine()]}))
    changed = asyncio.Event()
    catalogue.subscribe(changed.set)
    async with asyncio.timeout(60):
        await catalogue.start()
        assert catalogue.serving("stt").name == "pocketsphinx"
        await hub.half_sent.wait()
        while not 0.3 < (catalogue.describe()["stt"]["engines"][0]["progress"] or 0) < 0.7:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # progress is no event
        assert catalogue.describe()["stt"]["engines"][0]["state"] == "downloading"
        hub.gate.set()
        while catalogue.serving("stt") is not whisper:
            changed.clear()
            await changed.wait()
    assert (await whisper.transcribe(dict(speech())["yes please"])).text == "yes please"
    assert "README.md" not in hub.asked


async def test_a_download_that_is_given_up_is_taken_up_again_by_the_next_probe(hub, closing):
    engine = closing(FasterWhisperEngine(settings("small", trim_context=True)))
    hub.gate.clear()
    opening = asyncio.create_task(engine.open())
    async with asyncio.timeout(30):
        await hub.half_sent.wait()
    opening.cancel()
    await asyncio.wait({opening})
    assert engine.progress is None
    assert not psutil.Process().children()
    hub.gate.set()
    await engine.open()
    assert (await engine.transcribe(dict(speech())["stop"])).text == "stop"


async def test_a_model_in_the_cache_needs_no_network(hub, closing, monkeypatch):
    await closing(FasterWhisperEngine(settings("small"))).open()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    asked = len(hub.asked)
    engine = closing(FasterWhisperEngine(settings("small", download=False, trim_context=True)))
    await engine.open()
    assert (await engine.transcribe(dict(speech())["stop"])).text == "stop"
    assert len(hub.asked) == asked
