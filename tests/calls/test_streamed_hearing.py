"""A call over real WebRTC whose recogniser hears while the caller speaks, by a server that really recognises."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.media.resample import Resampler
from openclaw_actors.settings.sections import OpenAiRealtime, Stt
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai_realtime import RealtimeStub
from tests.calls.conftest import QUESTION, words


@pytest.fixture
async def server():
    recogniser = PocketSphinxEngine()
    await recogniser.open()

    async def hear(pcm: bytes) -> str:
        resampler = Resampler(24_000, 16_000)
        return (await recogniser.transcribe(resampler.push(pcm) + resampler.flush())).text

    async with RealtimeStub(hear) as stub:
        yield stub
    await recogniser.aclose()


async def test_a_question_is_sent_while_it_is_spoken_and_answered(server, flite):
    ears = Stt(
        engines=("openai-realtime",),
        openai_realtime=OpenAiRealtime(base_url=server.base_url, api_key=SecretStr("sk"), language="en"),
    )
    settings = embedded_settings()
    quiet = settings.agent.model_copy(update={"greeting": ""})
    async with running_host(settings.model_copy(update={"stt": ears, "agent": quiet})) as host:
        async with Caller(host.url) as caller:
            line = await server.wait_connection(2)  # the first was the catalogue's probe
            assert line.appended == 0
            utterance = caller.start_saying(flite(QUESTION, "slt"))
            await line.until(lambda seen: seen.appended > 48_000)
            assert line.items == []
            assert not utterance.done.done()
            heard = await caller.wait_event(
                "call.transcript", lambda data: data["role"] == "user" and data["final"], timeout_s=30
            )
            assert words(heard.data["text"]) == words(QUESTION)
            await caller.wait_voice(timeout_s=20)
        async with asyncio.timeout(10):
            await line.closed.wait()
