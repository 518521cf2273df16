"""A stage killed during a call by phone: as on WebRTC (tests/calls/test_killed_stages.py), the call goes on."""

from __future__ import annotations

import asyncio
import io
import re
import wave

import pykka

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.settings.sections import OpenAiStt, Stt
from openclaw_actors.testkit.host import embedded_settings
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from tests.calls.conftest import QUESTION
from tests.phone.conftest import PERSON, PhoneHost, phone_host


class SabotageError(Exception):
    """Not a fault that any stage knows."""


def seconds_heard(wav: bytes) -> str:
    """A recogniser's answer that shows whether a piece of the utterance was lost, or came twice."""
    with wave.open(io.BytesIO(wav)) as sound:
        return f"The question lasted {sound.getnframes() / sound.getframerate() * 1000:.0f} milliseconds"


def kill_stage(call_id: str, name: str) -> None:
    """Kill the one stage of that name in this call."""
    refs = pykka.ActorRegistry.get_by_class(STAGES[name])
    (ref,) = [ref for ref in refs if ref._actor_weakref().context.call_id == call_id]
    kill(ref, SabotageError(f"{name} was killed by the test"))


async def ask(phone: PhoneHost, question, line: Line, stage: str) -> None:
    """Ask; the stage dies in mid-question."""
    async with line:
        initiated = await phone.waits.until(lambda _: begun_by(phone, line), 10, "the call's beginning")
        call_id = initiated.call_id
        utterance = line.start_saying(question)
        await phone.until_told("call.speech.started", call_id)
        await line.wait(0.7)
        kill_stage(call_id, stage)
        restarted = await phone.until_told("call.stage.restarted", call_id)
        assert (restarted.data["stage"], restarted.data["reason"]) == (stage, "crash")
        await utterance.done
        await line.wait_voice(15, after=utterance.ended_at)
        await line.wait_silence()
        await phone.waits.until(lambda _: phone.said(call_id).endswith("milliseconds"), 20, "the answer to its end")
    heard = phone.said(call_id, "user")
    milliseconds = int(re.search(r"(\d+) milli", heard)[1])
    # A little before the voice and up to the likely end after it are sent along.
    assert -100 <= milliseconds - question.seconds * 1000 <= 600, stage
    assert phone.said(call_id) == f"You said: {heard}", stage
    assert len(phone.told("call.stage.restarted", call_id)) == 1, stage
    assert await phone.outcome(call_id) == ("completed", "caller_hangup")


def begun_by(phone: PhoneHost, line: Line):
    return next((e for e in phone.told("call.initiated") if e.data["carrier_call_id"] == line.call_sid), None)


async def listen(phone: PhoneHost, greeting: str, line: Line, stage: str) -> float:
    """Be greeted; the stage dies in mid-sentence. Returns how many seconds of our voice the carrier has played."""
    async with line:
        initiated = await phone.waits.until(lambda _: begun_by(phone, line), 10, "the call's beginning")
        call_id = initiated.call_id
        await line.wait_voice()
        await line.wait(0.5)
        kill_stage(call_id, stage)
        await phone.until_told("call.stage.restarted", call_id)
        await line.wait_silence()
        await phone.until_told("call.transcript", call_id)
    lines = [(each.data["text"], each.data["cut"]) for each in phone.told("call.transcript", call_id)]
    assert lines == [(greeting, False)], stage
    assert not line.stream.clears, "the carrier had some of it, and played on"
    if max(line.stream.pacing.lags) < 0.2:  # else this process stood still for half of what is sent ahead
        assert not [gap for gap in line.stream.gaps if gap < 0.3], "the caller hears no gap"
    return line.stream.sound_played / 8_000


async def test_a_stage_killed_while_the_caller_speaks_costs_no_word_of_the_answer(flite):
    question = flite(QUESTION)
    _ = question.pcmu_packets
    async with OpenAiStub(StubPlan(transcript=seconds_heard)) as stub:
        ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
        agent = embedded_settings().agent.model_copy(update={"greeting": ""})
        async with phone_host(stt=ears, agent=agent) as phone, asyncio.TaskGroup() as group:
            for stage in STAGES:
                group.create_task(ask(phone, question, Line(phone.twilio.exchange, PERSON), stage))


async def test_a_stage_killed_while_the_agent_speaks_costs_no_phrase_and_repeats_none():
    greeting = "Hello! How can I help you today?"
    agent = embedded_settings().agent.model_copy(update={"greeting": greeting})
    async with phone_host(agent=agent) as phone, asyncio.TaskGroup() as group:
        calls = {
            stage: group.create_task(listen(phone, greeting, Line(phone.twilio.exchange, PERSON), stage))
            for stage in STAGES
        }
    # It lasts 2.3 s in espeak-ng's voice, and half a second more where it is begun anew.
    played = {stage: call.result() for stage, call in calls.items()}
    assert max(played.values()) - min(played.values()) < 0.1, played
