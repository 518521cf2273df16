"""Whole calls whose agent steers them: a real model's answers over a real socket, real actors, real packets."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from openclaw_actors.actors import call as call_module
from openclaw_actors.actors.call import Call
from openclaw_actors.engines.agent import call_tools
from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import SendText, Transfer
from openclaw_actors.settings.sections import Agent, Calls, Destination, OpenAiAgent, Settings
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Answer, Fault, StubPlan
from tests.actors.talk import MUSIC, Line, speech, talk

TOOLS = ("hangup", "send_dtmf", "hold", "take_message")


@asynccontextmanager
async def talk_with(answer, **agent):
    """A call whose agent is a model that answers so."""
    async with OpenAiStub(StubPlan(first_token_s=0, token_s=0, reply=answer)) as stub:
        settings = Settings(
            agent=Agent(**({"greeting": "", "tools": TOOLS, "filler_after_s": 0.0} | agent)),
            calls=Calls(silent_after_s=0),
        )
        engine = OpenAiAgentEngine(OpenAiAgent(base_url=stub.base_url, model="m"), settings.agent.transfer_to)
        async with talk(settings=settings, agent=engine) as call:
            call.stub = stub
            yield call


def said(call) -> list[str]:
    return [event.data["text"] for event in call.told("call.transcript") if event.data["role"] == "agent"]


def speaking(call) -> bool:
    return bool(call.line.heard) and call.line.heard[-1] != OPUS.silence


async def ask(call, text: str = "Go on.") -> None:
    await call.tell(SendText(text))


@pytest.mark.parametrize(("transport", "offered"), [("webrtc", ["hangup"]), ("test", ["hangup", "transfer"])])
async def test_a_browser_s_call_is_never_offered_a_transfer_that_nobody_could_make(monkeypatch, transport, offered):
    monkeypatch.setattr(Line, "transport", transport)
    ann = Destination(name="Ann", number="+15550100")
    async with talk_with("Yes.", tools=("hangup", "transfer"), transfer_to=(ann,)) as call:
        await ask(call)
        request = await call.stub.wait_request("chat")
        assert [tool["function"]["name"] for tool in request.body["tools"]] == offered


async def test_a_transfer_is_the_call_s_own_mail_behind_the_words_that_announce_it(monkeypatch):
    told: list[Transfer] = []
    handle = Call.on_receive
    monkeypatch.setattr(
        Call, "on_receive", lambda self, mail: told.append(mail) if isinstance(mail, Transfer) else handle(self, mail)
    )
    answer = Answer("I give you Ann.", (("transfer", '{"to": "ann"}'),))
    ann = Destination(name="Ann", number="+15550100")
    async with talk_with(answer, tools=("transfer",), transfer_to=(ann,)) as call:
        await ask(call)
        await call.until(lambda: told, "the transfer")
        assert told == [Transfer("+15550100")]
        assert said(call) == ["I give you Ann."]


async def test_the_agent_hangs_up_when_its_goodbye_has_been_spoken():
    async with talk_with(Answer("Goodbye, and thank you for calling.", (("hangup", "{}"),))) as call:
        await ask(call)
        await call.until(lambda: call.told("call.ended"), "the end")
        kinds = [event.type for event in call.events]
        assert call.events[-1].data["reason"] == "agent_hangup"
        assert said(call) == ["Goodbye, and thank you for calling."]
        assert kinds.index("call.transcript") < kinds.index("call.ended")


async def test_an_agent_that_hangs_up_without_a_word_hangs_up_and_is_no_fault():
    silent = Answer("", (("hangup", "{}"),))
    async with talk_with(lambda messages: "" if messages[-1]["role"] == "tool" else silent) as call:
        await ask(call)
        await call.until(lambda: call.told("call.ended"), "the end")
        assert call.events[-1].data["reason"] == "agent_hangup"
        assert not call.told("call.stage.restarted")
        assert said(call) == []


async def test_a_goodbye_that_the_caller_speaks_into_does_not_end_the_call():
    goodbye = Answer("Goodbye, it was a pleasure to talk to you and I hope you call again.", (("hangup", "{}"),))
    async with talk_with(lambda messages: "Yes?" if "the caller spoke" in messages[-1]["content"] else goodbye) as call:
        await ask(call)
        await call.until(lambda: speaking(call), "the goodbye")
        await call.line.run(0, speech())
        await call.until(lambda: "Yes?" in said(call), "an answer to the objection")
        await call.rest()
        assert not call.told("call.ended")
        assert call.told("call.barge_in")[-1].data["outcome"] == "interrupted"


async def test_keys_are_pressed_behind_the_words_that_announce_them():
    keys = Answer("I press one.", (("send_dtmf", '{"digits": "1"}'),))
    async with talk_with(lambda messages: "" if messages[-1]["role"] == "tool" else keys) as call:
        await ask(call)
        await call.until(lambda: call.told("call.dtmf"), "the key")
        kinds = [event.type for event in call.events]
        assert call.told("call.dtmf")[0].data == {"digits": "1", "direction": "out", "cut": False}
        assert kinds.index("call.dtmf") > max(n for n, kind in enumerate(kinds) if kind == "call.transcript")


async def test_the_caller_hears_music_for_as_long_as_the_agent_wants_and_is_then_thanked(monkeypatch):
    monkeypatch.setattr(call_tools, "HOLD_S", (0.2, 600))
    monkeypatch.setattr(call_module, "TICK_S", 0.02)
    hold = Answer("Please hold.", (("hold", '{"seconds": 0.2}'),))
    async with talk_with(lambda messages: "" if messages[-1]["role"] == "tool" else hold) as call:
        await ask(call)
        await call.until(lambda: call.told("call.held"), "the hold")
        await call.line.run(4)
        assert set(call.line.heard[-4:]) == set(MUSIC)
        await call.until(lambda: call.told("call.resumed"), "its end")
        await call.until(lambda: "Thank you for holding." in said(call), "the thanks")
        assert 150 < call.told("call.resumed")[0].data["held_ms"] < 3000


async def test_a_message_is_on_record_even_if_the_caller_speaks_into_its_confirmation():
    note = Answer("", (("take_message", json.dumps({"text": "Ann asks for a call."})),))

    def think(messages):
        if messages[-1]["role"] == "tool":
            return "I have noted that you would like a call, and somebody will ring you very soon."
        return "Yes?" if "the caller spoke" in messages[-1]["content"] else note

    async with talk_with(think) as call:
        await ask(call)
        await call.until(lambda: speaking(call), "the confirmation")
        await call.line.run(0, speech())
        await call.until(lambda: "Yes?" in said(call), "an answer to the interruption")
        assert [event.data for event in call.told("call.message")] == [{"text": "Ann asks for a call."}]


async def test_a_model_that_fails_behind_its_tool_is_asked_again_and_the_message_is_kept_once():
    note = Answer("", (("take_message", '{"text": "Ann asks for a call."}'),))
    async with talk_with(lambda messages: "Noted." if messages[-1]["role"] == "tool" else note) as call:
        call.stub.fail("chat", None, Fault("status", status=502))
        await ask(call)
        await call.until(lambda: "Noted." in said(call), "the answer")
        await call.rest()
        assert len(call.told("call.message")) == 1


async def test_an_agent_that_has_nothing_to_say_is_not_asked_for_ever():
    async with talk_with('{"spoken": ""}') as call:
        await ask(call)
        await call.stub.wait_request("chat")
        await call.until(lambda: call.stub.of("chat")[0].outcome == "answered", "the answer")
        await call.rest(100)
        assert len(call.stub.of("chat")) == 1
        assert said(call) == []
        await ask(call, "And now?")
        await call.stub.wait_request("chat", 2)
        assert not call.told("call.stage.restarted")


async def test_a_slow_agent_is_covered_by_one_filler_after_the_other_and_none_is_part_of_the_conversation():
    fillers = ("One moment.", "Still on it.", "Nearly there.")
    async with talk_with("It is done.", filler_after_s=0.2, filler_again_s=0.5, fillers=fillers) as call:
        call.stub.fail("chat", Fault("hang"))
        await ask(call)
        await call.until(lambda: call.voice.spoken[:3] == list(fillers), "three fillers")
        assert said(call) == []


@pytest.mark.parametrize(("after_s", "fillers"), [(0.0, ("One moment.",)), (0.1, ())])
async def test_without_fillers_a_slow_agent_is_waited_for_in_silence(after_s, fillers):
    async with talk_with("It is done.", filler_after_s=after_s, filler_again_s=0.1, fillers=fillers) as call:
        call.stub.plan = StubPlan(first_token_s=0.6, token_s=0, reply="It is done.")
        await ask(call)
        await call.until(lambda: said(call) == ["It is done."], "the answer")
        assert call.voice.spoken == ["It is done."]
