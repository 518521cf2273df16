"""Providers fail in a live call; the caller gets an answer all the same."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from openclaw_actors.settings.sections import (
    Agent,
    OpenAiAgent,
    OpenAiStt,
    OpenAiTts,
    Server,
    Settings,
    Stt,
    Supervision,
    Tts,
)
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan
from tests.calls.conftest import words

QUESTION = "What time is it?"
"""Short, as each of these tests listens to it in real time; what the stub hears is scripted anyway."""
REPLY = "It is sunny in Paris today. You will not need an umbrella."


@asynccontextmanager
async def host_on(stub: OpenAiStub):
    """The stub first in every stage, the embedded engine behind it; one caller, not greeted."""
    key = {"base_url": stub.base_url, "api_key": "stub"}
    settings = Settings(
        server=Server(port=0),
        supervision=Supervision(stt_final_s=0.5, first_token_s=1, first_audio_s=1),
        stt=Stt(engines=("openai", "pocketsphinx"), openai=OpenAiStt(**key)),
        agent=Agent(engines=("openai", "parrot"), greeting="", openai=OpenAiAgent(**key, model="stub")),
        tts=Tts(engines=("openai", "espeak-ng"), openai=OpenAiTts(**key)),
    )
    async with running_host(settings) as running, Caller(running.url) as caller:
        yield caller


@pytest.fixture
async def stub():
    plan = StubPlan(transcript=QUESTION, reply=REPLY, leading_silence_s=0, voice=lambda text: _tone(len(text)))
    async with OpenAiStub(plan) as server:
        yield server


def _tone(characters: int) -> bytes:
    """A loud sound of 10 ms a character, 24 kHz: a square wave of 200 Hz."""
    period = b"\x00\x10" * 60 + b"\x00\xf0" * 60
    return period * (characters * 2)


async def said(caller: Caller) -> str:
    """What the agent has said once it is silent."""
    await caller.wait_silence(quiet_s=0.5)
    return caller.words_of("agent")


@pytest.mark.parametrize(
    "fault", [Fault("status", 500), Fault("drop"), Fault("drop", after=3), Fault("garbage"), Fault("empty")]
)
async def test_one_failed_answer_of_the_model_is_asked_for_again(stub, flite, fault):
    question = flite(QUESTION)
    async with host_on(stub) as caller:
        stub.fail("chat", fault)
        await caller.ask(question)
        assert words(await said(caller))[-11:] == words(REPLY)[-11:]
        assert [request.outcome for request in stub.of("chat")][:2] == ["fault", "answered"]


async def test_a_model_that_refuses_the_key_is_replaced_by_the_next_agent(stub, flite):
    question = flite(QUESTION)
    async with host_on(stub) as caller:
        stub.fail_always("chat", Fault("status", 401))
        await caller.ask(question)
        assert (await said(caller)).endswith(("am.", "pm."))  # the parrot tells the time
        switched = await caller.wait_event("call.engine.switched")
        assert (switched.data["stage"], switched.data["from"], switched.data["to"]) == ("agent", "openai", "parrot")


@pytest.mark.parametrize("fault", [Fault("status", 503), Fault("drop", after=1), Fault("hang"), Fault("empty")])
async def test_a_voice_that_fails_once_still_says_every_word(stub, flite, fault):
    question = flite(QUESTION)
    async with host_on(stub) as caller:
        stub.fail("speech", fault)
        await caller.ask(question)
        assert words(await said(caller)) == words(REPLY)


@pytest.mark.parametrize("fault", [Fault("status", 500), Fault("hang"), Fault("garbage")])
async def test_a_recogniser_that_fails_once_still_hears_the_question(stub, flite, fault):
    question = flite(QUESTION)
    async with host_on(stub) as caller:
        stub.fail("transcriptions", fault)
        await caller.ask(question)
        assert words(caller.words_of("user")) == words(QUESTION)
        assert words(await said(caller)) == words(REPLY)


async def test_speaking_over_the_agent_cancels_its_request_to_the_model(stub, flite):
    question, objection = flite(QUESTION), flite("Now tell me something else.", "rms")
    async with host_on(stub) as caller:
        stub.plan = StubPlan(transcript=QUESTION, token_s=0.1, reply=f"{REPLY} " * 30)
        await caller.ask(question)
        await caller.wait(0.5)
        spoken_over_at = time.monotonic()
        await caller.talk_over(objection)
        first = stub.of("chat")[0]
        await asyncio.wait_for(first.finished.wait(), 5)
        assert first.outcome == "cancelled"
        assert time.monotonic() - spoken_over_at < 5
