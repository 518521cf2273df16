"""Engines fail at one question or phrase: what is tried again in place, what the next engine does, what is left out."""

from __future__ import annotations

import pytest

from openclaw_actors.actors import agent as agent_module
from openclaw_actors.actors.own_voice import NO_ANSWER
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.errors import BrokenEngineError, TransientEngineError, UnsentEngineError
from openclaw_actors.messages import SendText
from openclaw_actors.settings.sections import Supervision
from tests.actors.talk import Voice, talk

ENOUGH = Supervision(backoff_s=(0,), stage_restarts=20, call_restarts=20)
"""So that what is seen is not the intensity's doing."""


THREE_PHRASES = (
    "This is the first. Nobody can say Xyzzy in the second of them. And this sentence is the last of them all."
)


class Model(ParrotEngine):
    """An AgentEngine that answers as it is told to: raises what is an error, says what is a text."""

    def __init__(self, *answers, name="model", repeatable=True):
        super().__init__()
        self.name = name
        self.repeatable = self.speculative = repeatable
        self.answers = list(answers)
        self.asked = 0

    async def reply(self, request):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for piece in answer if isinstance(answer, tuple) else (answer,):
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Picky(Voice):
    """A voice that can't say one word."""

    def __init__(self, word, name="picky"):
        super().__init__()
        self.name = name
        self.word = word
        self.tries = 0

    def cache_key(self, voice=None):
        return self.name

    async def speak(self, text, voice=None):
        if self.word in text:
            self.tries += 1
            raise BrokenEngineError(f"can't say {self.word}")
        async for pcm in super().speak(text):
            yield pcm


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(agent_module, "RETRY_S", (0.0, 0.0, 0.0, 0.0))


async def answered(call, question="Hello?", end=""):
    """What the agent has said since the question once it has said ``end``, and nothing more comes."""
    before = len(call.told("call.transcript"))

    def said():
        lines = [event.data for event in call.told("call.transcript")[before:]]
        return " ".join(line["text"] for line in lines if line["role"] == "agent")

    await call.tell(SendText(question))
    await call.until(lambda: said() and said().endswith(end), "an answer")
    await call.rest(40)
    return said()


def restarts(call):
    return [(event.data["stage"], event.data["reason"]) for event in call.told("call.stage.restarted")]


async def test_a_passing_fault_before_the_first_word_is_tried_again_in_place():
    model = Model(TransientEngineError("502"), "It is sunny today.")
    async with talk(engines={"agent": [model]}) as call:
        assert await answered(call) == "It is sunny today."
        assert model.asked == 2
        assert restarts(call) == []


async def test_a_model_that_fails_twice_at_a_question_hands_it_to_the_next_and_nobody_apologises():
    model, other = Model(BrokenEngineError("nonsense")), Model("The other one answers.", name="other")
    async with talk(supervision=ENOUGH, engines={"agent": [model, other]}) as call:
        assert await answered(call) == "The other one answers."
        assert (model.asked, other.asked) == (2, 1)


async def test_a_model_that_is_the_last_one_is_asked_three_times_before_we_apologise():
    model = Model(BrokenEngineError("nonsense"))
    async with talk(supervision=ENOUGH, engines={"agent": [model]}) as call:
        assert await answered(call) == NO_ANSWER
        assert model.asked == 3


async def test_an_agent_that_runs_tools_is_asked_once_and_then_we_apologise():
    gateway = Model(TransientEngineError("dropped"), "Too late.", repeatable=False)
    async with talk(supervision=ENOUGH, engines={"agent": [gateway, ParrotEngine()]}) as call:
        assert await answered(call) == NO_ANSWER
        assert gateway.asked == 1


async def test_an_agent_that_runs_tools_is_asked_again_when_the_question_never_reached_it():
    gateway = Model(UnsentEngineError("refused"), UnsentEngineError("refused"), "I am back.", repeatable=False)
    async with talk(engines={"agent": [gateway, ParrotEngine()]}) as call:
        assert await answered(call) == "I am back."
        assert restarts(call) == []


async def test_an_agent_that_can_not_be_reached_at_all_is_replaced_and_the_question_answered():
    gateway = Model(UnsentEngineError("refused"), repeatable=False)
    async with talk(engines={"agent": [gateway, ParrotEngine()]}) as call:
        assert await answered(call, "Sing a song.") == "You said: Sing a song."
        assert gateway.asked == 5
        assert restarts(call) == [("agent", "unavailable")]


async def test_a_phrase_that_no_voice_can_say_is_left_out_and_the_rest_is_heard():
    voice = Picky("Xyzzy")
    async with talk(supervision=ENOUGH, engines={"agent": [Model(THREE_PHRASES)], "tts": [voice]}) as call:
        said = await answered(call, end="last of them all.")
        assert said == "This is the first. And this sentence is the last of them all."
        assert voice.tries == 3
        assert restarts(call) == [("tts", "broken")] * 3


async def test_a_voice_that_fails_twice_at_a_phrase_hands_it_to_the_next():
    voice, other = Picky("Xyzzy"), Voice()
    async with talk(supervision=ENOUGH, engines={"agent": [Model(THREE_PHRASES)], "tts": [voice, other]}) as call:
        assert await answered(call, end="last of them all.") == THREE_PHRASES
        assert voice.tries == 2
        assert [event.data["to"] for event in call.told("call.engine.switched")] == ["voice"]
