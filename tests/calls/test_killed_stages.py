"""Any stage may die once in a live call: the call goes on, and what the caller is saying is still answered."""

from __future__ import annotations

import re

import pykka
import pytest

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.testkit.caller import Caller
from tests.calls.conftest import GREETING

QUESTION = "Hello, what is the weather like in Paris today?"


class SabotageError(Exception):
    """Not a fault that any stage knows."""


def kill_stage(name: str) -> None:
    """Kill the one stage of that name that lives in this process."""
    (ref,) = pykka.ActorRegistry.get_by_class(STAGES[name])
    kill(ref, SabotageError(f"{name} was killed by the test"))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


@pytest.mark.parametrize("stage", ["transport", "turns", "stt", "agent", "tts"])
async def test_a_stage_killed_while_the_caller_speaks_costs_no_word_of_the_answer(host, flite, stage):
    question = flite(QUESTION)
    async with Caller(host.url) as caller:
        await caller.wait_voice()
        await caller.wait_silence()
        utterance = caller.start_saying(question)
        await caller.wait_event("call.speech.started")
        await caller.wait(0.7)
        kill_stage(stage)
        await utterance.done
        await caller.wait_voice(15, after=utterance.ended_at)
        await caller.wait_silence()
        restarted = await caller.wait_event("call.stage.restarted")
        assert restarted.data["stage"] == stage
        assert {"weather", "paris", "today"} <= words(caller.words_of("user"))
        assert {"weather", "paris"} <= words(caller.words_of("agent"))
        assert len([line for line in caller.transcript if line.role == "user"]) == 1


@pytest.mark.parametrize("stage", ["transport", "turns", "stt", "agent", "tts"])
async def test_a_stage_killed_while_the_agent_speaks_costs_no_phrase_and_repeats_none(host, stage):
    async with Caller(host.url) as caller:
        began = await caller.wait_voice()
        await caller.wait(0.5)
        kill_stage(stage)
        silent_at = await caller.wait_silence()
        restarted = await caller.wait_event("call.stage.restarted")
        assert restarted.data["stage"] == stage
        lines = [line for line in caller.transcript if line.role == "agent"]
        assert [(line.text, line.cut) for line in lines] == [(GREETING, False)]
        # The greeting lasts about 2.3 s in espeak-ng's voice; said twice it would last over 4.
        assert 1.2 < silent_at - began < 3.6


async def test_all_stages_killed_one_after_another_and_the_call_still_answers(host, flite):
    question = flite(QUESTION, "rms")
    async with Caller(host.url) as caller:
        await caller.wait_voice()
        await caller.wait_silence()
        for stage in STAGES:
            kill_stage(stage)
            await caller.wait_event("call.stage.restarted", lambda data, stage=stage: data["stage"] == stage)
        await caller.ask(question, timeout_s=20)
        assert {"weather", "paris"} <= words(caller.words_of("user"))
        assert not caller.over
