"""How far the Tts runs ahead of the caller's ear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.stage import CallContext, Engines
from openclaw_actors.actors.tts import AHEAD_S, Tts
from openclaw_actors.engines.protocols import OWN_VOICE
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.playout import PACKET_S, Playout
from openclaw_actors.media.tones import TONE_RATE, tone
from openclaw_actors.messages import CallProfile, Credit, Interrupt, Say, Speech
from openclaw_actors.settings.sections import Settings, TtsCache
from openclaw_actors.turns.vad import EnergyVad

TIMEOUT = 10
SENTENCE = "x" * 30
"""Three seconds."""


class Voice:
    """Hums a tenth of a second a letter, at once."""

    name = "voice"
    sample_rate = TONE_RATE

    def __init__(self) -> None:
        self.asked: list[str] = []

    def cache_key(self, voice=OWN_VOICE) -> str:
        return "hum"

    async def speak(self, text: str, voice=OWN_VOICE) -> AsyncIterator[bytes]:
        self.asked.append(text)
        yield (0.3 * 32_767 * tone((220.0,), 0.1 * len(text))).astype("<i2").tobytes()


class Stage:
    """A Tts, and what it has handed on."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.speech: list[Speech] = []
        self.synthesis = Synthesis(PhraseCache(TtsCache(max_bytes=0)))
        self.context = CallContext(
            call_id="call_x",
            caller="",
            profile=CallProfile(),
            settings=Settings(),
            memory=Memory(),
            playout=Playout(OPUS, lambda: None),
            engines=Engines(None, None, voice, EnergyVad),
            synthesis=self.synthesis,
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
    stage = Stage(Voice())
    yield stage
    await stop(stage.ref)
    await stage.synthesis.aclose()


async def test_phrases_are_handed_on_until_enough_is_ahead(stage):
    stage.say(*(SENTENCE + letter for letter in "abcd"))
    await stage.until(lambda: stage.seconds(1) > 2.9)
    await asyncio.sleep(0.5)
    assert stage.voice.asked == [SENTENCE + "a", SENTENCE + "b"], f"6 s are ahead: more than {AHEAD_S:g}"
    stage.ref.tell(Credit(1, 0))
    await stage.until(lambda: stage.seconds(2))


async def test_what_follows_a_long_phrase_is_asked_for_before_that_is_over(stage):
    """Credit comes when it is: by that alone there would be a gap behind each long sentence."""
    began = time.monotonic()
    stage.say("x" * 60, "yes", "z" * 30)
    await stage.until(lambda: stage.seconds(2))
    assert 2 <= time.monotonic() - began < 4.5, "6.3 s, of which 4 may be ahead"


async def test_in_a_pause_one_phrase_too_many_is_handed_on_and_no_more(stage):
    """No credit comes: nothing is heard."""
    stage.say(*(SENTENCE + letter for letter in "abcd"))
    await stage.until(lambda: stage.seconds(2) > 2.9)
    await asyncio.sleep(1.5)
    assert len(stage.voice.asked) == 3
    stage.ref.tell(Credit(1, 0))
    await asyncio.sleep(0.2)
    assert len(stage.voice.asked) == 3
    await stage.until(lambda: len(stage.voice.asked) == 4)


async def test_an_interruption_ends_the_waiting(stage):
    stage.say(*(SENTENCE + letter for letter in "abc"))
    await stage.until(lambda: stage.seconds(1) > 2.9)
    stage.ref.tell(Interrupt(2))
    stage.say("z", turn=2)
    await stage.until(lambda: stage.speech[-1].turn == 2 and stage.speech[-1].ends_turn)
    assert SENTENCE + "c" not in stage.voice.asked
