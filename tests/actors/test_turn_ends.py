"""How the ends of turns go through a call: words stretch the wait, and so does the tune of a voice."""

from __future__ import annotations

import pytest

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.messages import FRAME
from openclaw_actors.observability import metrics
from tests.actors.talk import Ear, speech, talk

SECOND = 16_000 // FRAME
"""Frames."""


class Words(Ear):
    """Hears these, one text an utterance."""

    name = "words"

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        return Transcript(self.texts[0])


class Tune:
    """A SmartTurn that says how finished every voice sounds."""

    def __init__(self, finished: float | None) -> None:
        self.finished = finished
        self.heard: list[int] = []

    async def judge(self, pcm: bytes) -> float | None:
        self.heard.append(len(pcm))
        return self.finished


async def frames_to_the_end(words: str, tune: Tune | None = None) -> int:
    """Frames of silence behind "Yes, please" until its turn has ended."""
    async with talk(ears=(Words(words),), smart_turn=tune) as call:
        await call.line.run(25)
        await call.line.run(0, speech())
        for frame in range(3 * SECOND):
            if any(event.data["role"] == "user" and event.data["final"] for event in call.told("call.transcript")):
                return frame
            await call.rest(1)
        pytest.fail("the turn never ended")


async def test_who_breaks_off_is_waited_for_and_who_has_done_is_answered():
    finished, broken_off = await frames_to_the_end("what time is it"), await frames_to_the_end("I would like to")
    assert finished < 0.5 * SECOND
    assert broken_off > finished + 0.8 * SECOND


async def test_a_voice_that_sounds_unfinished_is_waited_for_and_one_that_is_not_judged_is_not():
    doubtful = Tune(0.02)
    assert await frames_to_the_end("what time is it", doubtful) > 0.5 * SECOND
    assert doubtful.heard
    assert all(length <= 8 * 32_000 for length in doubtful.heard)
    assert await frames_to_the_end("what time is it", Tune(None)) < 0.5 * SECOND


async def test_who_goes_on_as_the_answer_begins_has_asked_one_question_and_that_is_counted():
    before = metrics.false_cut_offs_total._value.get()
    ear = Words("what is the weather like")
    async with talk(ears=(ear,)) as call:
        await call.line.run(25)
        await call.line.run(0, speech())
        await call.until(lambda: bool(call.told("call.transcript")), "the first words")
        ear.texts = ["in Paris today"]
        await call.line.run(0, speech())

        def answered() -> bool:
            said = " ".join(e.data["text"] for e in call.told("call.transcript") if e.data["role"] == "agent")
            return "weather like in Paris" in said

        await call.until(answered, "an answer to both parts")
        assert metrics.false_cut_offs_total._value.get() == before + 1
