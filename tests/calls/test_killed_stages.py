"""Any stage may die once in a live call: the call goes on, and what the caller is saying is still answered."""

from __future__ import annotations

import asyncio
import time

import pykka

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.testkit.caller import Caller, calls
from tests.calls.conftest import GREETING, QUESTION, greeted, words

APART_S = 1.2
"""Between two callers' questions: one pocketsphinx worker serves all, and takes up to a second for each."""


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


async def test_a_stage_killed_while_the_caller_speaks_costs_no_word_of_the_answer(host, flite):
    question = flite(QUESTION)

    async def ask(caller: Caller, stage: str, after_s: float) -> None:
        await greeted(caller)
        await caller.wait(after_s)
        utterance = caller.start_saying(question)
        await caller.wait_event("call.speech.started")
        await caller.wait(0.7)
        await killed_and_back(caller, stage)
        await utterance.done
        await caller.wait_voice(15, after=utterance.ended_at)
        await caller.wait_silence()
        (heard,) = [line.text for line in caller.transcript if line.role == "user"]
        assert words(heard) == words(QUESTION), stage
        assert {"weather", "paris"} <= set(words(caller.words_of("agent"))), stage
        assert len([e for e in caller.events if e.type == "call.stage.restarted"]) == 1, stage

    async with calls(host.url, len(STAGES)) as callers, asyncio.TaskGroup() as group:
        for number, (caller, stage) in enumerate(zip(callers, STAGES, strict=True)):
            group.create_task(ask(caller, stage, number * APART_S))


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
        counted = words(" ".join(line.text for line in caller.transcript[1:]))
        numbers = "one two three four five six seven eight nine ten eleven twelve".split()
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
