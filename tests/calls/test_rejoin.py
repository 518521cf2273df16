"""A caller whose network changed comes back into the same conversation, once."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.lossy import LossyLink
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import silence
from tests.calls.conftest import QUESTION, greeted


async def test_a_caller_in_a_dead_spot_dials_again_and_is_in_the_same_call(host, flite):
    question = flite(QUESTION)
    link = LossyLink()
    async with Caller(host.url, prepare=link.attach) as lost:
        await greeted(lost)
        with link.blackout():
            async with Caller(host.url, resume=lost.resume_token) as back:
                assert back.call_id == lost.call_id
                assert back.resume_token != lost.resume_token
                await back.ask(question)
                assert "weather" in back.words_of("user")
                await back.wait_silence()
                assert "hello!" not in back.words_of("agent")
                assert len(host.host.places.running) == 1


async def test_a_caller_whose_connection_was_closed_comes_back_without_a_second_greeting(host, flite):
    question = flite(QUESTION, "rms")
    first = Caller(host.url)
    await first.dial()
    await greeted(first)
    await first.leave()
    async with Caller(host.url, resume=first.resume_token) as back:
        await back.ask(silence(0.5).then(question))
        await back.wait_silence()
        assert back.words_of("user")
        assert back.words_of("agent").startswith("you said")


async def test_a_resume_token_works_once_and_not_after_a_hang_up(host):
    async with Caller(host.url) as caller:
        await caller.wait_voice()
        used = caller.resume_token
        async with Caller(host.url, resume=used) as back:
            with pytest.raises(CallRefusedError) as refusal:
                await Caller(host.url, resume=used).__aenter__()
            assert refusal.value.status == 410
            last = back.resume_token
            await back.hang_up()
    with pytest.raises(CallRefusedError) as refusal:
        await Caller(host.url, resume=last).__aenter__()
    assert refusal.value.problem["code"] == "resume_expired"


async def test_a_call_that_an_operator_ended_is_not_resumed(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        assert await host.host.board.hang_up(caller.call_id, "api_hangup")
        await caller.wait_over()
        with pytest.raises(CallRefusedError, match="410"):
            await Caller(host.url, resume=caller.resume_token).__aenter__()


async def test_a_call_that_was_erased_is_not_resumed(host):
    first = Caller(host.url)
    await first.dial()
    await greeted(first)
    await first.leave()
    await asyncio.wait_for(host.host.places.idle.wait(), 10)
    await host.host.board.forget(first.call_id)
    with pytest.raises(CallRefusedError, match="410"):
        await Caller(host.url, resume=first.resume_token).__aenter__()
