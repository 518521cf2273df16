"""pocketsphinx hears whole sentences of a synthetic voice, in its own process."""

from __future__ import annotations

import asyncio

import jiwer
import pytest

from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine

SENTENCE = "I would like to know whether I should bring an umbrella."


@pytest.fixture
async def engine(closing):
    engine = closing(PocketSphinxEngine())
    await engine.open()
    return engine


async def test_a_sentence_comes_back_word_for_word(engine, flite):
    transcript = await engine.transcribe(await flite(SENTENCE))
    assert jiwer.wer(SENTENCE.lower().rstrip("."), transcript.text) <= 0.1
    assert transcript.text == transcript.text.lower()
    assert transcript.language == ""  # English is all that it knows, so that tells nothing of the caller


async def test_two_callers_are_heard_apart(engine, flite):
    said = ["yes please", "hello what is the weather like in paris today"]
    heard = await asyncio.gather(*[engine.transcribe(await flite(text)) for text in said])
    assert [transcript.text for transcript in heard] == said


@pytest.mark.parametrize("length", [0, 2, 100, 3200])
async def test_too_little_sound_is_no_words_and_no_error(engine, length):
    assert (await engine.transcribe(bytes(length))).text == ""


async def test_it_can_be_opened_again_as_a_probe_and_closed_twice(engine, flite):
    await engine.open()
    await engine.aclose()
    await engine.aclose()
    await engine.open()
    assert (await engine.transcribe(await flite("yes please"))).text == "yes please"


async def test_what_one_caller_says_does_not_change_what_it_hears_of_the_next(engine, flite):
    said, loud = await flite(SENTENCE), bytes(range(256)) * 250
    alone = await engine.transcribe(said)
    await engine.transcribe(loud)
    assert [await engine.transcribe(said) for _ in range(2)] == [alone, alone]
