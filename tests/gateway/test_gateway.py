"""What we take of an OpenClaw Gateway, on the real one and on its stand-in."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from pydantic import SecretStr

from openclaw_actors.engines.protocols import AgentRequest, CallReport, EndCall, TakeMessage
from openclaw_actors.errors import BrokenEngineError, RefusedEngineError, TransientEngineError
from openclaw_actors.messages import Line
from openclaw_actors.testkit.providers.plan import Answer, Fault, StubPlan
from openclaw_actors.turns.speech_text import SpeechText
from tests.gateway.conftest import call_of

PATIENCE_S = 60.0
"""Its first answer takes 4-11 s, and some more beside other work."""

_numbers = itertools.count(1)


def somebody() -> str:
    """A number that has not called before."""
    return f"+1555{next(_numbers):06}"


async def answer(engine, text: str, **fields) -> list:
    given = {"call_id": "call_1", "caller": "", "history": (), "system_prompt": "Be brief.", "call_seconds": 3.0}
    request = AgentRequest(text=text, **(given | fields))
    async with asyncio.timeout(PATIENCE_S):
        return [piece async for piece in engine.reply(request)]


def said(pieces: list) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


async def test_the_agent_answers_as_it_thinks(gateway, engine_for):
    engine = engine_for()
    await engine.open()
    gateway.model.answers["Paris"] = "It is sunny in Paris, with a light wind from the west."
    pieces = await answer(engine, "How is Paris?", caller=somebody())

    assert said(pieces) == "It is sunny in Paris, with a light wind from the west."
    assert len(pieces) > 1
    assert any("Be brief." in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_a_caller_s_session_remembers_and_is_told_only_what_is_new(gateway, engine_for):
    engine, caller = engine_for(), somebody()
    await answer(engine, "I am Zaphod.", caller=caller, call_id="call_a")
    history = (Line("user", "I am Zaphod."), Line("agent", "It is sunny."))
    await answer(engine, "Who am I?", caller=caller, call_id="call_b", history=history)
    saw = gateway.model.saw(gateway.model.asked[-1])

    assert sum("I am Zaphod." in text for text in saw) == 1
    assert any("Who am I?" in text for text in saw)


async def test_a_call_s_session_is_its_own(gateway, engine_for):
    engine, caller, call = engine_for(session_scope="per-call"), somebody(), somebody()
    await answer(engine, "I am Zaphod.", caller=caller, call_id=f"call_{call}")
    await answer(engine, "Who am I?", caller=caller, call_id=f"call_{call}_2")

    assert not any("Zaphod" in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_two_callers_never_share_a_session(gateway, engine_for):
    engine = engine_for()
    await answer(engine, "I am Zaphod.", caller=somebody())
    await answer(engine, "Who am I?", caller=somebody())

    assert not any("Zaphod" in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_all_who_call_may_share_the_agent_s_main_session(gateway, engine_for):
    engine, name = engine_for(session_scope="main"), somebody()
    await answer(engine, f"I am {name}.", caller=somebody())
    await answer(engine, "Who am I?", caller=somebody())

    assert any(name in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_an_interruption_cancels_the_run_and_the_next_question_is_answered(gateway, engine_for):
    engine, caller = engine_for(), somebody()
    gateway.model.answers |= {"What next": "Here.", "long": "one two three four five six seven eight nine ten " * 20}
    gateway.model.stub.plan = StubPlan(first_token_s=0, token_s=0.05, reply=gateway.model)
    before = len(gateway.model.asked)
    reply = engine.reply(AgentRequest("call_1", caller, "Tell me a long one.", (), "Be brief.", 3.0))
    async with asyncio.timeout(PATIENCE_S):
        assert "one" in await anext(reply)
        await reply.aclose()
        run = gateway.model.asked[before]
        await run.finished.wait()
    assert run.outcome == "cancelled"

    cut = (Line("user", "Tell me a long one."), Line("agent", "one two", cut=True))
    assert said(await answer(engine, "What next?", caller=caller, history=cut)) == "Here."
    assert any("heard of it only: «one two»" in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_a_wrong_token_and_an_unknown_agent_are_refused(gateway, engine_for):
    with pytest.raises(RefusedEngineError, match="401"):
        await engine_for(token=SecretStr("wrong")).open()
    with pytest.raises(RefusedEngineError, match="401"):
        await answer(engine_for(token=SecretStr("wrong")), "Hello?")
    with pytest.raises(RefusedEngineError, match="400"):
        await answer(engine_for(), "Hello?", agent="nobody")


async def test_a_failed_run_is_told_as_a_fault_and_the_next_is_well(gateway, engine_for):
    engine, caller = engine_for(), somebody()
    gateway.model.stub.fail_always("chat", Fault("status", status=400))
    with pytest.raises((TransientEngineError, BrokenEngineError)):
        await answer(engine, "Hello?", caller=caller)
    gateway.model.stub.fail_always("chat", None)

    assert said(await answer(engine, "Hello?", caller=caller)) == "It is sunny."


async def test_the_agent_hangs_up_with_its_goodbye(gateway, engine_for):
    gateway.model.answers["bye"] = Answer("Goodbye now.", (call_of("hangup"),))
    pieces = await answer(engine_for(), "Good bye!", caller=somebody(), tools=("hangup", "take_message"))

    assert said(pieces) == "Goodbye now."
    assert pieces[-1] == EndCall()
    assert any(
        "hangup (no arguments); take_message (text)" in text for text in gateway.model.saw(gateway.model.asked[-1])
    )


async def test_the_agent_takes_a_message_and_says_so_in_the_same_answer(gateway, engine_for):
    caller = somebody()
    gateway.model.answers |= {
        "Noted.": "I will pass it on.",
        "tell Ann": Answer("", (call_of("take_message", text="Ring Ford."),)),
    }
    engine = engine_for()
    pieces = await answer(engine, "Please tell Ann to ring Ford.", caller=caller, tools=("take_message",))

    assert said(pieces).strip() == "I will pass it on."
    assert TakeMessage("Ring Ford.") in pieces
    assert said(await answer(engine, "Thank you.", caller=caller)) == "It is sunny."


async def test_an_agent_that_has_nothing_to_say_says_nothing(gateway, engine_for):
    gateway.model.answers[""] = '{"spoken": ""}'
    pieces = await answer(engine_for(), "Hm.", caller=somebody())
    speech = SpeechText()

    assert not (speech.push(said(pieces)) + speech.flush()).strip()


@pytest.mark.parametrize(("after_call", "asks_for"), [("summary", "Answer with a summary"), ("transcript", "NO_REPLY")])
async def test_a_call_that_is_over_goes_into_the_caller_s_chat(gateway, engine_for, after_call, asks_for):
    engine, caller = engine_for(after_call=after_call), somebody()
    gateway.model.answers["is over"] = "Zaphod wants his ship back."
    history = (Line("agent", "Hello!"), Line("user", "My <<<ship>>>\n, please."), Line("agent", "I will", cut=True))
    async with asyncio.timeout(PATIENCE_S):
        await engine.after_call(CallReport("call_1", caller, "", history, 83.4, "caller_hangup"))
    report = next(text for text in gateway.model.saw(gateway.model.asked[-1]) if "TRANSCRIPT" in text)
    assert f"A phone call with {caller} is over (1 min 23 s, caller_hangup)." in report
    assert "You: Hello!\nCaller: My «ship» , please.\nYou: I will —" in report
    assert asks_for in report

    await answer(engine, "What did I want?", caller=caller, call_id="call_2")
    later = gateway.model.saw(gateway.model.asked[-1])
    assert any("You: I will —" in text for text in later)
    assert any("Zaphod wants his ship back." in text for text in later)


async def test_a_call_that_is_over_may_go_into_the_owner_s_chat(gateway, engine_for):
    caller = somebody()
    engine = engine_for(session_scope="per-call", after_call="summary", after_call_session="agent:main:main")
    async with asyncio.timeout(PATIENCE_S):
        await engine.after_call(CallReport("call_1", caller, "", (Line("user", "My ship!"),), 5, "caller_hangup"))
    await answer(engine_for(session_scope="main"), "Who called?")

    assert any(f"A phone call with {caller} is over" in text for text in gateway.model.saw(gateway.model.asked[-1]))


async def test_it_is_warmed_when_it_is_found_in_a_session_of_its_own(gateway, engine_for):
    caller, before = somebody(), len(gateway.model.asked)
    engine = engine_for(warm=True)
    await engine.open()
    async with asyncio.timeout(PATIENCE_S):
        await engine._warming
    warmed = gateway.model.asked[before]
    assert any("voice host has started" in text for text in gateway.model.saw(warmed))

    await answer(engine, "Hello?", caller=caller)
    assert not any("voice host has started" in text for text in gateway.model.saw(gateway.model.asked[-1]))
