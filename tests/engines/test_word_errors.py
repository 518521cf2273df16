"""Word errors of the tiny Whisper on its own 64 words: `make wer` in short, with bounds that sanity asks for."""

from __future__ import annotations

import asyncio

import pytest

from tests.load.word_errors import (
    SENTENCES,
    WHISPER,
    Score,
    at_once,
    batch,
    changed,
    espeak,
    recognisers,
    streamed,
    through_mulaw,
    through_opus,
)

SAID = SENTENCES[:12]


@pytest.fixture(scope="module")
def spoken():
    return asyncio.run(espeak("en-us", SAID))


@pytest.fixture
async def whisper():
    async with recognisers((WHISPER,)) as engines:
        yield engines[WHISPER]


@pytest.mark.parametrize("channel", [through_opus, through_mulaw])
async def test_few_words_are_wrong_through_a_browsers_and_a_telephones_line(whisper, spoken, channel):
    score = await batch(whisper, [channel(speech) for speech in spoken])
    assert score.said == list(SAID)
    assert score.errors <= 0.08  # 2 % of the long list


async def test_an_utterance_that_was_followed_ends_as_one_that_was_not(whisper, spoken):
    heard = [through_opus(speech) for speech in spoken[:6]]
    live, whole = await streamed(whisper, heard), await batch(whisper, heard)
    assert live.heard == whole.heard
    assert live.partial_words > 20
    assert live.taken_back / live.partial_words < 0.5  # 25 % of the long list
    assert live.agreed_words > 5


async def test_twelve_callers_at_once_are_heard_as_well_as_one(whisper, spoken):
    heard = [through_opus(speech) for speech in spoken]
    crowd, alone = await at_once(whisper, heard), await batch(whisper, heard)
    assert sorted(crowd.heard) == sorted(alone.heard)


def test_errors_and_changes_are_counted_as_they_are_said_to_be():
    score = Score()
    score.note("set a timer", "Set a timer.", 0.1)
    score.note("no thank you", "no thank", 0.1)
    assert (score.errors, score.exact) == (1 / 6, 0.5)
    assert changed(["set", "a", "time"], ["set", "a", "timer", "for"]) == 1
    assert changed(["set", "a", "timer"], []) == 3
