"""A caller who says nothing is asked gently, then told goodbye; one who cannot be heard, or is being served, is not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from openclaw_actors.actors import call as call_module
from openclaw_actors.engines.protocols import AgentRequest
from openclaw_actors.messages import Hold, Mute, SendText
from openclaw_actors.settings.sections import Agent, Calls, Settings
from tests.actors.talk import speech, talk

PROMPTS = ("Are you there?", "Hello?")
GOODBYE = "Goodbye then."
AFTER_S = 0.3


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """The Call looks 50 times a second, so that a test need not wait for seconds."""
    monkeypatch.setattr(call_module, "TICK_S", 0.02)


class Answers:
    """An AgentEngine that answers when it is let to."""

    name = "answers"
    speculative = repeatable = True
    first_token_s = 0.0

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()
        self.may.set()

    async def open(self) -> None:
        """Ready."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def reply(self, request: AgentRequest):
        self.asked += 1
        await self.may.wait()
        yield "Yes."


@asynccontextmanager
async def silent_call(**calls):
    given = {"silent_after_s": AFTER_S, "silent_prompts": PROMPTS, "silent_goodbye": GOODBYE} | calls
    settings = Settings(agent=Agent(greeting="Hello.", filler_after_s=0), calls=Calls(**given))
    agent = Answers()
    async with talk(settings=settings, agent=agent) as call:
        call.agent = agent
        await call.until(lambda: said(call) == ["Hello."], "the greeting")
        yield call


def said(call) -> list[str]:
    return [event.data["text"] for event in call.told("call.transcript") if event.data["role"] == "agent"]


async def quiet(call, seconds: float) -> None:
    """The line goes on for so long and nobody speaks."""
    until = asyncio.get_running_loop().time() + seconds
    await call.until(lambda: asyncio.get_running_loop().time() > until, "the time")


async def test_the_caller_is_asked_twice_and_then_told_goodbye():
    async with silent_call() as call:
        await call.until(lambda: call.told("call.ended"), "the end")
        assert said(call) == ["Hello.", *PROMPTS, GOODBYE]
        assert call.events[-1].data["reason"] == "silent_caller"
        assert call.events[-1].data["status"] == "completed"


async def test_a_word_of_the_caller_begins_it_all_anew():
    async with silent_call() as call:
        await call.until(lambda: PROMPTS[1] in said(call), "both prompts")
        await call.line.run(0, speech())
        await call.until(lambda: "Yes." in said(call), "an answer")
        await call.until(lambda: said(call)[-1] == PROMPTS[0], "the first prompt again")
        assert not call.told("call.ended")


async def test_a_word_into_the_goodbye_keeps_the_call():
    async with silent_call(silent_prompts=(), silent_goodbye="Goodbye then, as nobody is there to talk to me.") as call:
        await call.until(lambda: len(call.voice.spoken) == 2 and call.line.heard[-1] != b"\xf8\xff\xfe", "the goodbye")
        await call.line.run(0, speech())
        await call.until(lambda: "Yes." in said(call), "an answer")
        assert not call.told("call.ended")


async def test_nobody_is_hurried_while_the_agent_thinks():
    async with silent_call() as call:
        call.agent.may.clear()
        await call.tell(SendText("Think long."))
        await call.until(lambda: call.agent.asked, "the question")
        await quiet(call, 3 * AFTER_S)
        assert said(call) == ["Hello."]
        call.agent.may.set()
        await call.until(lambda: said(call)[-1] == "Yes.", "the answer")


@pytest.mark.parametrize(("message", "undone"), [(Mute(on=True), Mute(on=False)), (Hold(), None)])
async def test_a_caller_whom_nobody_hears_is_not_spoken_to(message, undone):
    async with silent_call() as call:
        await call.tell(message)
        await quiet(call, 3 * AFTER_S)
        assert said(call) == ["Hello."]
        if undone is not None:
            await call.tell(undone)
            await quiet(call, AFTER_S / 3)
            assert said(call) == ["Hello."]
            await call.until(lambda: said(call)[-1] == PROMPTS[0], "the first prompt, as long after as ever")


async def test_without_a_goodbye_the_call_ends_by_its_idle_timeout():
    async with silent_call(silent_goodbye="", idle_timeout_s=3 * AFTER_S) as call:
        await call.until(lambda: call.told("call.ended"), "the end")
        assert said(call) == ["Hello.", *PROMPTS]
        assert call.events[-1].data["reason"] == "idle_timeout"


async def test_who_wants_no_prompts_has_none():
    async with silent_call(silent_after_s=0, idle_timeout_s=2 * AFTER_S) as call:
        await call.until(lambda: call.told("call.ended"), "the end")
        assert said(call) == ["Hello."]
        assert call.events[-1].data["reason"] == "idle_timeout"
