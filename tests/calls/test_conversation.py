"""A caller with flite's voice and the embedded agent have a conversation, over real WebRTC."""

from __future__ import annotations

import time

import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.lossy import Impairment, LossyLink
from openclaw_actors.testkit.speakers import silence
from tests.calls.conftest import GREETING, QUESTION, greeted, words


async def test_the_caller_is_greeted_by_voice_within_a_second(greeting_host):
    async with Caller(greeting_host.url) as caller:
        answered = (await caller.wait_event("call.answered")).arrived_at
        heard_at = await caller.wait_voice()
        assert heard_at - answered < 1.0
        line = await caller.wait_event("call.transcript", lambda data: data["role"] == "agent")
        assert line.data["text"] == GREETING
        assert await caller.wait_silence() - heard_at > 1.0


@pytest.mark.parametrize("voice", ["slt", "rms"])
async def test_a_spoken_question_is_understood_and_answered_by_voice(host, flite, voice):
    question = flite(QUESTION, voice)
    async with Caller(host.url) as caller:
        await greeted(caller)
        answer = await caller.ask(question)
        heard = await caller.wait_event("call.transcript", lambda data: data["role"] == "user" and data["final"])
        assert words(heard.data["text"]) == words(QUESTION)
        await caller.wait_silence()
        assert {"weather", "paris"} <= set(words(caller.words_of("agent")))
        turn = await caller.wait_event("call.turn.completed", after=answer.utterance.began_at)
        assert 0 < turn.data["latency"]["total_ms"] < 15_000


async def test_the_agent_falls_silent_when_it_is_spoken_over_and_answers_that(host, flite):
    objection = flite("What time is it now?", "rms")
    async with Caller(host.url) as caller:
        await greeted(caller)
        typed_at = time.monotonic()
        caller.send("text", text="Please count to thirty.")
        began = await caller.wait_voice(after=typed_at)
        await caller.wait(0.8)
        interruption = await caller.talk_over(objection)
        # The goal of the benchmark is 300 ms; here caller, host and recogniser share two cores with the test run.
        assert 0 < interruption.latency_s < 1.0
        barge_in = await caller.wait_event("call.barge_in")
        assert barge_in.data["outcome"] == "interrupted"
        answer = await caller.wait_event(
            "call.transcript",
            lambda data: data["role"] == "agent" and data["text"].startswith("It is"),
            timeout_s=30,
        )
        assert answer.arrived_at > interruption.utterance.ended_at
        (cut,) = [line for line in caller.transcript if line.cut]
        assert words(cut.text)[0] == "one"
        assert len(words(cut.text)) < 15
        assert interruption.silent_at - began < 4


async def test_goodbye_ends_the_call_after_the_agents_own_goodbye(host, flite):
    goodbye = flite("Goodbye.")
    async with Caller(host.url) as caller:
        await greeted(caller)
        await caller.ask(goodbye)
        ended = await caller.wait_event("call.ended", timeout_s=30)
        assert ended.data["reason"] == "agent_hangup"
        await caller.wait_over()
        assert "bye" in caller.words_of("agent")


async def test_what_the_caller_types_is_answered_by_voice(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        typed_at = time.monotonic()
        caller.send("text", text="my name is Ada")
        await caller.wait_voice(after=typed_at)
        await caller.wait_silence()
        assert "ada" in caller.words_of("agent")


async def test_interrupt_and_say_work_from_the_data_channel(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        asked_at = time.monotonic()
        caller.send("say", text="The quick brown fox jumps over the lazy dog, again and again and again, all day long.")
        began = await caller.wait_voice(after=asked_at)
        await caller.wait(0.4)
        caller.send("interrupt")
        assert await caller.wait_silence(quiet_s=0.8) - began < 1.5
        caller.send("dance")
        error = await caller.wait_event("error")
        assert "type must be" in error.data["detail"]


async def test_a_muted_caller_is_not_heard_and_an_unmuted_one_is(host, flite):
    question = flite(QUESTION)
    async with Caller(host.url) as caller:
        await greeted(caller)
        caller.send("mute", on=True)
        await caller.say(silence(0.2).then(question, silence(1.5)))
        assert not caller.words_of("user")
        caller.send("mute", on=False)
        await caller.say(silence(0.3))
        await caller.ask(question)
        assert "weather" in caller.words_of("user")


async def test_a_pcmu_caller_is_understood_and_answered(host, flite):
    question = flite(QUESTION)
    async with Caller(host.url, codec="pcmu") as caller:
        await greeted(caller)
        await caller.ask(question)
        assert "weather" in caller.words_of("user")


async def test_on_a_line_that_loses_every_twentieth_packet_the_question_is_still_answered(host, flite):
    question = flite(QUESTION)
    bad = Impairment(loss=0.05, delay_s=0.03, jitter_s=0.02)
    link = LossyLink(bad, bad, seed=3)
    async with Caller(host.url, prepare=link.attach) as caller:
        await greeted(caller)
        await caller.ask(question)
        # The events' channel loses packets too and sends them again: the words may come after the voice.
        heard = await caller.wait_event("call.transcript", lambda data: data["role"] == "user", timeout_s=20)
        assert heard.data["text"]
        assert caller.heard.lost_packets > 0
