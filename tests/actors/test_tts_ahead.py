"""How far the Tts runs ahead of the caller's ear: the engine by seconds, the encoder by fewer, neither in a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.stage import CallContext, Engines
from openclaw_actors.actors.tts import AHEAD_S, ENCODED_S, Tts
from openclaw_actors.engines.protocols import OWN_VOICE
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.media.codecs import OPUS, SLICE_S
from openclaw_actors.media.playout import PACKET_S, Playout
from openclaw_actors.media.tones import TONE_RATE, tone
from openclaw_actors.messages import CallProfile, Credit, Interrupt, Say, Speech
from openclaw_actors.settings.sections import Settings, TtsCache
from openclaw_actors.turns.vad import EnergyVad

TIMEOUT = 10
SENTENCE = "x" * 30
"""Three seconds."""


class Voice:
    """Hums a tenth of a second a letter, at once; hangs at the texts of ``hangs`` when it is first asked for them."""

    name = "voice"
    sample_rate = TONE_RATE

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hangs: set[str] = set()
        self.stopped = 0

    def cache_key(self, voice=OWN_VOICE) -> str:
        return "hum"

    async def speak(self, text: str, voice=OWN_VOICE) -> AsyncIterator[bytes]:
        self.asked.append(text)
        try:
            if text in self.hangs:
                self.hangs.discard(text)
                await asyncio.Event().wait()
            yield (0.3 * 32_767 * tone((220.0,), 0.1 * len(text))).astype("<i2").tobytes()
        finally:
            self.stopped += 1


class Stage:
    """A Tts, and what it has handed on."""

    def __init__(self, voice: Voice, pool: ThreadPoolExecutor) -> None:
        self.voice = voice
        self.speech: list[Speech] = []
        self.synthesis = Synthesis(PhraseCache(TtsCache(max_bytes=0)), pool)
        self.context = CallContext(
            call_id="call_x",
            caller="",
            profile=CallProfile(),
            settings=Settings(),
            memory=Memory(),
            playout=Playout(OPUS, lambda: None),
            engines=Engines(None, None, voice, EnergyVad),
            synthesis=self.synthesis,
            encode_pool=pool,
            call=self,
        )
        self.context.ports["transport"] = self
        self.ref = Tts.start(self.context, 1)

    def tell(self, message: object) -> None:
        """Of the Call and of the Transport."""
        if isinstance(message, Speech):
            self.speech.append(message)

    def say(self, *texts: str, turn: int = 1) -> None:
        for index, text in enumerate(texts):
            say = Say(turn, index, text, last=text is texts[-1])
            self.context.memory.delivery.offer(say)
            self.ref.tell(say)

    def seconds(self, index: int | None = None) -> float:
        """Handed on, of a phrase or of all."""
        return sum(len(one.packets) * PACKET_S for one in self.speech if index in {None, one.index})

    async def until(self, found) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not found():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)


@pytest.fixture
async def stage():
    LoopActor.live_here()
    with ThreadPoolExecutor(1) as pool:
        stage = Stage(Voice(), pool)
        yield stage
        await stop(stage.ref)
        await stage.synthesis.aclose()


async def test_no_more_is_encoded_than_the_ear_will_soon_hear(stage):
    stage.say("x" * 60)
    await stage.until(lambda: stage.seconds() >= ENCODED_S)
    await asyncio.sleep(0.1)
    assert stage.seconds() <= ENCODED_S + 0.1 + SLICE_S
    before = stage.seconds()
    await asyncio.sleep(1)
    assert before + 0.4 <= stage.seconds() <= before + 1.7, "it goes on as time does"


async def test_the_engine_is_further_ahead_and_asked_for_one_phrase_after_the_other(stage):
    stage.say(*(SENTENCE + letter for letter in "abcd"))
    await stage.until(lambda: len(stage.voice.asked) == 2)
    await asyncio.sleep(0.2)
    assert stage.voice.asked == [SENTENCE + "a", SENTENCE + "b"], f"6 s are made: more than {AHEAD_S:g}"
    await stage.until(lambda: len(stage.voice.asked) == 3)
    assert stage.seconds() < 6


async def test_what_follows_a_long_phrase_is_made_before_that_is_over(stage):
    """Credit comes when a phrase was heard: by that alone there would be a gap behind each long one."""
    stage.say("x" * 60, "y")
    await stage.until(lambda: len(stage.voice.asked) == 2)
    await stage.until(lambda: stage.seconds(1))
    assert stage.speech[-1].index == 1


async def test_all_of_a_phrase_is_handed_on_and_how_long_it_will_be_is_known_early(stage):
    stage.say("x" * 25)
    await stage.until(lambda: stage.speech and stage.speech[-1].ends_phrase)
    assert stage.seconds() == pytest.approx(2.5, abs=0.1)
    assert stage.speech[1].whole_s == pytest.approx(2.5, abs=0.1)


async def test_in_a_pause_two_phrases_are_handed_on_and_no_third(stage):
    """No credit comes: nothing is heard."""
    stage.say(*(SENTENCE + letter for letter in "abcd"))
    await stage.until(lambda: stage.seconds(1) > 2.5)
    await asyncio.sleep(1)
    assert not stage.seconds(2)
    stage.ref.tell(Credit(1, 0))
    await stage.until(lambda: stage.seconds(2))


async def test_an_interruption_lets_go_of_all_that_was_made(stage):
    stage.say(SENTENCE + "a", SENTENCE + "b")
    await stage.until(lambda: len(stage.voice.asked) == 2)
    stage.ref.tell(Interrupt(2))
    await stage.until(lambda: not stage.synthesis._tasks)
    before = stage.seconds()
    await asyncio.sleep(0.5)
    assert stage.seconds() == before
    stage.say("z", turn=2)
    await stage.until(lambda: stage.speech[-1].turn == 2 and stage.speech[-1].ends_turn)


async def test_a_stage_that_ends_lets_go_too(stage):
    stage.say(SENTENCE + "a", SENTENCE + "b")
    await stage.until(lambda: len(stage.voice.asked) == 2)
    await stop(stage.ref)
    await stage.until(lambda: not stage.synthesis._tasks)


async def test_a_voice_that_hangs_ahead_of_time_is_asked_again_before_the_phrase_is_due(stage):
    stage.voice.hangs = {SENTENCE + "b"}
    stage.say("x" * 39 + "a", SENTENCE + "b", "c")
    await stage.until(lambda: stage.seconds(1))
    assert stage.voice.asked.count(SENTENCE + "b") == 2
    assert stage.seconds(0) == pytest.approx(4.0, abs=0.1), "while the first is still heard"
    stage.ref.tell(Credit(1, 0))
    await stage.until(lambda: stage.speech[-1].ends_turn)
    assert stage.seconds(1) == pytest.approx(3.1, abs=0.1)
    assert stage.voice.stopped == len(stage.voice.asked)


async def test_a_second_stage_goes_on_where_the_first_was(stage):
    stage.say(SENTENCE)
    await stage.until(lambda: stage.seconds() >= ENCODED_S)
    await stop(stage.ref)
    stage.context = replace(stage.context)
    stage.ref = Tts.start(stage.context, 2)
    await stage.until(lambda: stage.speech[-1].ends_phrase)
    assert stage.seconds() == pytest.approx(3.0, abs=0.1)
