"""Any stage may die once in a live call: the call goes on, and what the caller is saying is still answered."""

from __future__ import annotations

import asyncio
import io
import re
import time
import wave

import pykka
import pytest

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.settings.sections import OpenAiStt, Stt
from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.speakers import silence
from tests.calls.conftest import GREETING, QUESTION, greeted, words


class SabotageError(Exception):
    """Not a fault that any stage knows."""


def kill_stage(caller: Caller, name: str) -> None:
    """Kill the one stage of that name in this caller's call."""
    refs = pykka.ActorRegistry.get_by_class(STAGES[name])
    (ref,) = [ref for ref in refs if ref._actor_weakref().context.call_id == caller.call_id]
    kill(ref, SabotageError(f"{name} was killed by the test"))


async def killed_and_back(caller: Caller, stage: str) -> None:
    """Kill the stage and see it restarted: this one, once, and no other."""
    kill_stage(caller, stage)
    restarted = await caller.wait_event("call.stage.restarted")
    assert (restarted.data["stage"], restarted.data["reason"]) == (stage, "crash")


def seconds_heard(wav: bytes) -> str:
    """A recogniser's answer that shows whether a piece of the utterance was lost, or came twice."""
    with wave.open(io.BytesIO(wav)) as sound:
        return f"The question lasted {sound.getnframes() / sound.getframerate() * 1000:.0f} milliseconds"


@pytest.fixture
async def measuring_host():
    """Its ears are a stub that tells how long the utterance was: pocketsphinx would be late with five at once."""
    async with OpenAiStub(StubPlan(transcript=seconds_heard)) as stub:
        ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
        settings = embedded_settings()
        agent = settings.agent.model_copy(update={"greeting": ""})
        async with running_host(settings.model_copy(update={"stt": ears, "agent": agent})) as running:
            yield running


async def test_a_stage_killed_while_the_caller_speaks_costs_no_word_of_the_answer(measuring_host, flite):
    question = flite(QUESTION)

    async def ask(caller: Caller, stage: str) -> None:
        utterance = caller.start_saying(silence(0.5).then(question))
        await caller.wait_event("call.speech.started")
        await caller.wait(0.7)
        await killed_and_back(caller, stage)
        await utterance.done
        await caller.wait_voice(15, after=utterance.ended_at)
        await caller.wait_silence()
        (heard,) = [line.text for line in caller.transcript if line.role == "user"]
        milliseconds = int(re.search(r"(\d+) milli", heard)[1])
        # A little before the voice and up to the likely end after it are sent along.
        assert -100 <= milliseconds - question.seconds * 1000 <= 600, stage
        assert caller.words_of("agent") == f"you said: {heard.lower()}", stage
        assert len([e for e in caller.events if e.type == "call.stage.restarted"]) == 1, stage

    async with calls(measuring_host.url, len(STAGES)) as callers, asyncio.TaskGroup() as group:
        for caller, stage in zip(callers, STAGES, strict=True):
            group.create_task(ask(caller, stage))


async def test_a_stage_killed_while_the_agent_speaks_costs_no_phrase_and_repeats_none(greeting_host):
    async def listen(caller: Caller, stage: str) -> None:
        began = await caller.wait_voice()
        await caller.wait(0.5)
        await killed_and_back(caller, stage)
        silent_at = await caller.wait_silence()
        lines = [(line.role, line.text, line.cut) for line in caller.transcript]
        assert lines == [("agent", GREETING, False)], stage
        # The greeting lasts 2.3 s in espeak-ng's voice; said anew from its beginning it would last 0.5 s longer.
        assert 1.8 < silent_at - began < 2.7, stage

    async with calls(greeting_host.url, len(STAGES)) as callers, asyncio.TaskGroup() as group:
        for caller, stage in zip(callers, STAGES, strict=True):
            group.create_task(listen(caller, stage))


async def test_an_agent_and_a_voice_killed_in_a_long_reply_leave_no_gap_in_it(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        asked_at = time.monotonic()
        caller.send("text", text="Please count to twelve.")
        await caller.wait_voice(after=asked_at)
        for stage in ("agent", "tts"):
            await caller.wait(0.8)
            kill_stage(caller, stage)
        await caller.wait_silence()
        counted = words(caller.words_of("agent"))
        numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        assert [word for word in counted if word in numbers] == numbers


async def test_all_stages_killed_one_after_another_and_the_call_still_answers(host, flite):
    question = flite(QUESTION, "rms")
    async with Caller(host.url) as caller:
        await greeted(caller)
        for stage in STAGES:
            kill_stage(caller, stage)
            await caller.wait_event("call.stage.restarted", lambda data, stage=stage: data["stage"] == stage)
        await caller.ask(question, timeout_s=20)
        assert {"weather", "paris"} <= set(words(caller.words_of("user")))
        assert not caller.over
