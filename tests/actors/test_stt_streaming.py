"""A call whose recogniser hears while the caller speaks: nothing is said twice to it, nothing is left out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pykka
import pytest
from pydantic import SecretStr

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.stt import Stt
from openclaw_actors.engines.stt.openai_realtime import OpenAiRealtimeEngine
from openclaw_actors.settings.sections import OpenAiRealtime
from openclaw_actors.testkit.providers.openai_realtime import RealtimeFault, RealtimeStub
from tests.actors.talk import Ear, speech, talk

SAID = speech("what-is-the-weather-like-today")
SECONDS = len(SAID) * 0.02
FRAME_UP = 960
"""Bytes of 20 ms at 24 kHz."""


async def seconds_of(pcm: bytes) -> str:
    """A recogniser's answer that shows whether a piece of the utterance was lost, or came twice."""
    return f"{len(pcm) / 48_000:.2f} seconds"


def seconds_in(event) -> float:
    return sum(float(word) for word in event.data["text"].split() if word != "seconds")


@asynccontextmanager
async def streamed(*faults: RealtimeFault | None, ears=(), **behaviour):
    """A call that hears by a Realtime server."""
    async with RealtimeStub(seconds_of, **behaviour) as stub:
        # The catalogue's probe is the first connection.
        stub.fail(None, *faults)
        engine = OpenAiRealtimeEngine(OpenAiRealtime(base_url=stub.base_url, api_key=SecretStr("sk")))
        async with talk(ears=(engine, *ears)) as call:
            yield call, stub


def heard(call):
    return [event for event in call.told("call.transcript") if event.data["role"] == "user" and event.data["final"]]


async def the_question(call):
    await call.until(lambda: bool(heard(call)), "the caller's words")
    (event,) = heard(call)
    return event


async def speak_at_leisure(call, said=SAID):
    """As fast as it would be said, so that what grows is seen to grow."""
    for frame in said:
        await call.line.run(1, (frame,))
        await asyncio.sleep(0.01)


async def test_the_line_to_the_recogniser_is_open_before_the_caller_speaks_and_closed_after_the_call():
    async with streamed() as (_, stub):
        connection = await stub.wait_connection(2)
        assert connection.appended == 0
        assert not connection.closed.is_set()
    async with asyncio.timeout(10):
        await connection.closed.wait()
        left = [task for task in asyncio.all_tasks() if "realtime" in task.get_name()]
        await asyncio.gather(*left, return_exceptions=True)


async def test_what_is_said_goes_up_while_it_is_said_and_comes_back_as_one_transcript():
    async with streamed() as (call, stub):
        connection = await stub.wait_connection(2)
        await speak_at_leisure(call, SAID[: len(SAID) // 2])
        await connection.until(lambda seen: seen.appended > 0.3 * 48_000)
        assert connection.items == []
        await call.line.run(0, SAID[len(SAID) // 2 :])
        # The pre-roll of 0.3 s and the tail of 0.2 s belong to it.
        assert seconds_in(await the_question(call)) == pytest.approx(SECONDS, abs=0.5)


async def test_a_recogniser_killed_in_the_middle_of_an_utterance_hears_all_of_it_once():
    async with streamed() as (call, stub):
        await stub.wait_connection(2)
        await speak_at_leisure(call, SAID[: len(SAID) // 2])
        (ref,) = pykka.ActorRegistry.get_by_class(Stt)
        kill(ref, RuntimeError("the test killed it"))
        await speak_at_leisure(call, SAID[len(SAID) // 2 :])
        assert seconds_in(await the_question(call)) == pytest.approx(SECONDS, abs=0.5)
        assert call.told("call.stage.restarted")[0].data["stage"] == "stt"
        assert len(stub.connections) == 3
        assert stub.connections[1].items == []


@pytest.mark.parametrize("at", ["append", "commit"])
async def test_a_connection_that_breaks_costs_no_word_and_no_restart(at):
    async with streamed(RealtimeFault("drop", at=at, after=3 if at == "append" else 0)) as (call, stub):
        await stub.wait_connection(2)
        await speak_at_leisure(call)
        assert seconds_in(await the_question(call)) == pytest.approx(SECONDS, abs=0.5)
        assert len(stub.connections) == 3
        assert call.told("call.stage.restarted") == []


async def test_a_session_that_is_over_its_hour_is_followed_by_another():
    async with streamed(RealtimeFault("expire", at="append", after=2)) as (call, stub):
        await stub.wait_connection(2)
        await speak_at_leisure(call)
        assert seconds_in(await the_question(call)) == pytest.approx(SECONDS, abs=0.5)
        assert call.told("call.stage.restarted") == []


async def test_a_quota_that_ends_in_mid_call_brings_the_next_recogniser_in():
    over = RealtimeFault("failed", code="insufficient_quota", error_type="insufficient_quota")
    async with streamed(over, ears=(Ear(),)) as (call, _):
        await call.line.run(0, SAID)
        assert (await the_question(call)).data["text"] == "the caller spoke"
        assert call.told("call.engine.switched")[0].data["to"] == "ear"


async def test_one_refused_at_set_up_is_replaced_before_the_caller_says_a_word():
    async with streamed(RealtimeFault("status", 401, "invalid_api_key"), ears=(Ear(),)) as (call, _):
        await call.until(lambda: bool(call.told("call.engine.switched")), "the other recogniser")
        await call.line.run(0, SAID)
        assert (await the_question(call)).data["text"] == "the caller spoke"


async def test_the_console_shows_words_while_they_come():
    async with streamed(streams=True) as (call, stub):
        stub.hear = "what is the weather like today"
        await stub.wait_connection(2)
        await speak_at_leisure(call)
        await the_question(call)
        told = [e.data["text"] for e in call.told("call.transcript") if e.data["role"] == "user"]
        assert told[0] == "what"
        assert len(told) > 3
        assert all(later.startswith(earlier) for earlier, later in pairwise(told))


async def test_two_utterances_are_two_transcripts():
    async with streamed() as (call, stub):
        await stub.wait_connection(2)
        await call.line.run(0, SAID)
        await the_question(call)
        await call.line.run(150)
        await call.line.run(0, speech("yes-please"))
        await call.until(lambda: len(heard(call)) == 2, "the second utterance")
        assert seconds_in(heard(call)[1]) == pytest.approx(len(speech("yes-please")) * 0.02, abs=0.6)
        assert len(stub.connections) == 2
