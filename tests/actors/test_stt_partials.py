"""What the caller says is seen while they say it, as far as it is settled, and in whose language."""

from __future__ import annotations

import asyncio
import itertools

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.errors import TransientEngineError
from tests.actors.talk import speech, talk

SAID = speech("what-is-the-weather-like-today")
WORDS = ("so", "what", "is", "the", "weather", "like", "in", "paris", "today", "please", "tell", "me", "now")


class Counter:
    """Recognises a word in each 0.25 s, and is not sure of the last one of a partial."""

    name = "counter"
    partial_every_s = 0.01

    def __init__(self, language=""):
        self.language = language
        self.asked: list[tuple[str, bool]] = []
        self.busy = 0

    async def open(self):
        pass

    async def aclose(self):
        pass

    async def transcribe(self, pcm, *, language="", final=True):
        self.asked.append((language, final))
        if not final and self.busy:
            self.busy -= 1
            raise TransientEngineError("busy")
        said = " ".join(WORDS[: len(pcm) // 8000])
        return Transcript(said if final else f"{said} perhaps", language or self.language)


async def ask(call):
    """Speak, as fast as it can be told what is said meanwhile, and wait for the final."""
    before = len(finals(call))
    for frame in SAID:
        await call.line.run(1, (frame,))
        await asyncio.sleep(0.005)
    await call.until(lambda: len(finals(call)) > before, "the caller's words")


def told(call, *, final):
    lines = [event.data for event in call.told("call.transcript") if event.data["role"] == "user"]
    return [line for line in lines if line["final"] is final]


def finals(call):
    return told(call, final=True)


async def test_words_are_seen_as_they_are_said_and_those_that_are_settled_stay():
    async with talk(ears=(Counter(),)) as call:
        await ask(call)
        partials, (final,) = told(call, final=False), finals(call)
    assert len(partials) > 3
    assert partials[0]["utterance"] == final["utterance"]
    for earlier, later in itertools.pairwise(partials):
        assert later["text"].startswith(later["agreed"])
        assert later["agreed"].startswith(earlier["agreed"])
    assert "perhaps" not in partials[-1]["agreed"]
    assert len(partials[-1]["agreed"].split()) >= 3
    assert final["text"].startswith(partials[-1]["agreed"])
    assert "agreed" not in final


async def test_a_recogniser_that_is_busy_skips_partials_and_gives_its_final_all_the_same():
    counter = Counter()
    counter.busy = 10_000
    async with talk(ears=(counter,)) as call:
        await ask(call)
        assert told(call, final=False) == []
        assert finals(call)[0]["text"].startswith("so what is")


async def test_a_recogniser_that_has_become_too_slow_for_partials_is_asked_for_no_more_of_them():
    class Tiring(Counter):
        async def transcribe(self, pcm, *, language="", final=True):
            self.partial_every_s = 0.0
            return await super().transcribe(pcm, language=language, final=final)

    tiring = Tiring()
    async with talk(ears=(tiring,)) as call:
        await ask(call)
    assert [final for _, final in tiring.asked].count(False) == 1


async def test_a_language_that_was_found_out_is_asked_for_from_then_on():
    counter = Counter(language="de")
    async with talk(ears=(counter,)) as call:
        await ask(call)
        await call.until(lambda: bool(call.told("call.turn.completed")), "the answer")
        first = len(counter.asked)
        await ask(call)
    assert counter.asked[0][0] == ""
    assert {language for language, _ in counter.asked[first:]} == {"de"}


async def test_a_recogniser_that_is_never_sure_of_the_language_is_asked_to_find_it_out_each_time():
    counter = Counter()
    async with talk(ears=(counter,)) as call:
        await ask(call)
    assert {language for language, _ in counter.asked} == {""}
