"""A whole call, by voice over WebRTC, with an agent of an OpenClaw Gateway."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.plan import Answer
from tests.gateway.conftest import call_of

QUESTION = "What is the weather like in Paris today?"


@pytest.fixture
async def host(gateway):
    settings = embedded_settings()
    agent = settings.agent.model_copy(
        update={
            "engines": ("openclaw",),
            "greeting": "Hello!",
            "openclaw": gateway.settings(warm=True, after_call="summary"),
        }
    )
    async with running_host(settings.model_copy(update={"agent": agent})) as running:
        yield running


async def test_a_call_is_held_with_it(gateway, host, flite):
    question, bye = flite(QUESTION), flite("Goodbye.")
    gateway.model.answers |= {
        "is over": "The caller asked for the weather.",
        "weather": "It is sunny in Paris. [[tts:voice=x]]You need **no** umbrella.",
        "bye": Answer("Goodbye, and enjoy the sun.", (call_of("hangup"),)),
    }
    async with asyncio.timeout(60):
        await gateway.model.stub.wait_request("chat", timeout=60)  # the host warms it
    async with Caller(host.url) as caller:
        await caller.wait_voice()
        await caller.wait_silence(quiet_s=0.4)
        await caller.ask(question)
        await caller.wait_event(
            "call.transcript",
            lambda data: data["role"] == "agent" and data["text"] == "You need no umbrella.",
            timeout_s=60,
        )
        await caller.wait_silence(quiet_s=0.4)
        await caller.ask(bye)
        ended = await caller.wait_event("call.ended", timeout_s=60)
        assert ended.data["reason"] == "agent_hangup"
        assert [line.text for line in caller.transcript if line.role == "agent"][-1] == "Goodbye, and enjoy the sun."
    async with asyncio.timeout(60):
        while not any("is over" in text for request in gateway.model.asked for text in gateway.model.saw(request)):
            await gateway.model.stub.wait_request("chat", len(gateway.model.asked) + 1, timeout=60)
    report = next(text for text in gateway.model.saw(gateway.model.asked[-1]) if "TRANSCRIPT" in text)
    assert "You: It is sunny in Paris." in report
    assert "agent_hangup" in report
