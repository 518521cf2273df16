from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr
from tts_samples import within

from openclaw_actors.engines.agent.openclaw import NO_RESPONSE, OpenClawEngine
from openclaw_actors.engines.protocols import AgentRequest, StayQuiet
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
    UnsentEngineError,
)
from openclaw_actors.messages import Line
from openclaw_actors.settings.sections import OpenClaw
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.plan import Fault


@pytest.fixture
async def gateway():
    async with FakeGateway() as server:
        yield server


@pytest.fixture
def engine_for(closing):
    def make(gateway: FakeGateway, **settings) -> OpenClawEngine:
        settings = {"token": SecretStr(TOKEN)} | settings
        return closing(OpenClawEngine(OpenClaw(base_url=gateway.base_url, **settings), 60))

    return make


def request(text: str = "Is it sunny?", **fields) -> AgentRequest:
    given = {"call_id": "h.01", "caller": "+15550001", "history": (), "system_prompt": "Be brief.", "call_seconds": 3.0}
    return AgentRequest(text=text, **(given | fields))


async def answer(engine: OpenClawEngine, asked: AgentRequest) -> list[str]:
    return [piece async for piece in engine.reply(asked)]


async def test_the_agent_answers_word_by_word(gateway, engine_for):
    engine = engine_for(gateway)
    await within(engine.open())

    assert await within(answer(engine, request())) == ["It ", "is ", "sunny."]


async def test_only_the_new_message_is_sent_for_the_session_knows_the_rest(gateway, engine_for):
    history = (Line("user", "Hello"), Line("agent", "Hello! How can I help?"))
    await within(answer(engine_for(gateway, agent="ops"), request(history=history)))
    body = gateway.runs[0].body

    assert body["model"] == "openclaw/ops"
    assert body["stream"] is True
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it sunny?"},
    ]
    assert gateway.runs[0].headers["x-openclaw-message-channel"] == "voice"


@pytest.mark.parametrize(
    ("scope", "caller", "user"),
    [
        ("per-phone", "+15550001", "voice:+15550001"),
        ("per-phone", "", "voice:call:h.01"),
        ("per-phone", "  ", "voice:call:h.01"),
        ("per-phone", "Eve:call:h.02", "voice:eve-call-h.02"),
        ("per-call", "+15550001", "voice:call:h.01"),
    ],
)
async def test_a_session_is_a_caller_s_or_a_call_s(gateway, engine_for, scope, caller, user):
    await within(answer(engine_for(gateway, session_scope=scope), request(caller=caller)))

    assert gateway.runs[0].body["user"] == user
    assert "x-openclaw-session-key" not in gateway.runs[0].headers


@pytest.mark.parametrize(("agent", "key"), [("default", "agent:main:main"), ("ops", "agent:ops:main")])
async def test_a_call_may_join_the_agent_s_main_session(gateway, engine_for, agent, key):
    await within(answer(engine_for(gateway, session_scope="main", agent=agent), request()))

    assert gateway.runs[0].headers["x-openclaw-session-key"] == key
    assert "user" not in gateway.runs[0].body


async def test_the_gateway_learns_where_its_last_answer_was_cut(gateway, engine_for):
    history = (Line("user", "Tell me all"), Line("agent", "First of", cut=True))
    await within(answer(engine_for(gateway), request(history=history)))

    assert "cut off. The caller heard of it only: «First of»" in gateway.runs[0].body["messages"][0]["content"]


async def test_an_answer_that_was_heard_to_its_end_is_not_mentioned(gateway, engine_for):
    history = (Line("agent", "First of", cut=True), Line("user", "Go on"), Line("agent", "Second."))
    await within(answer(engine_for(gateway), request(history=history)))

    assert gateway.runs[0].body["messages"][0]["content"] == "Be brief."


async def test_an_interruption_cancels_the_run(gateway, engine_for):
    gateway.fail(Fault("hang", after=1))
    reply = engine_for(gateway).reply(request())
    assert await within(anext(reply)) == "It "
    await within(reply.aclose())

    await within(gateway.runs[0].cancelled.wait())


async def test_an_interruption_before_the_first_word_cancels_the_run(gateway, engine_for):
    gateway.fail(Fault("hang"))
    asking = asyncio.create_task(answer(engine_for(gateway), request()))
    await within(gateway.asked.wait())
    asking.cancel()

    await within(gateway.runs[0].cancelled.wait())
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("pieces", [[NO_RESPONSE], ["No response ", "from ", "OpenClaw."]])
async def test_no_answer_is_told_as_a_fault_and_not_spoken(gateway, engine_for, pieces):
    gateway.answer = pieces

    with pytest.raises(TransientEngineError, match="no answer"):
        await within(answer(engine_for(gateway), request()))


@pytest.mark.parametrize("pieces", [["NO_REPLY"], ["NO", "_REP", "LY\n"]])
async def test_an_agent_that_has_nothing_to_say_says_nothing(gateway, engine_for, pieces):
    gateway.answer = pieces

    assert await within(answer(engine_for(gateway), request())) == [StayQuiet()]


@pytest.mark.parametrize(
    "pieces",
    [["No ", "response ", "yet."], ["NO_REPLYS"], ["NO", "W"], ["No"], ["No response from OpenClaw. ", "Joking."]],
)
async def test_words_that_only_begin_like_it_are_spoken_whole(gateway, engine_for, pieces):
    gateway.answer = pieces

    assert "".join(await within(answer(engine_for(gateway), request()))) == "".join(pieces)


@pytest.mark.parametrize(
    ("kind", "error"), [("api_error", TransientEngineError), ("invalid_request_error", BrokenEngineError)]
)
async def test_a_failure_in_the_middle_comes_after_the_words_before_it(gateway, engine_for, kind, error):
    gateway.fail(Fault("error", after=2, error=kind))
    reply = engine_for(gateway).reply(request())

    assert [await within(anext(reply)), await within(anext(reply))] == ["It ", "is "]
    with pytest.raises(error, match="internal error"):
        await within(anext(reply))
    assert len(gateway.runs) == 1  # a run may have used tools: it is never sent twice


async def test_an_agent_that_is_not_there_is_refused(gateway, engine_for):
    with pytest.raises(RefusedEngineError, match="Invalid `model`"):
        await within(answer(engine_for(gateway, agent=""), request()))


async def test_the_probe_says_what_to_do(gateway, engine_for):
    with pytest.raises(RefusedEngineError, match="401"):
        await within(engine_for(gateway, token=SecretStr("wrong")).open())
    gateway.enabled = False
    with pytest.raises(UnavailableEngineError, match=r"chatCompletions\.enabled"):
        await within(engine_for(gateway).open())
    await gateway.stop()
    with pytest.raises(UnavailableEngineError, match="does not answer at http://127"):
        await within(engine_for(gateway).open())


async def test_a_gateway_that_has_vanished_was_asked_nothing(gateway, engine_for):
    engine = engine_for(gateway)
    await gateway.stop()

    with pytest.raises(UnsentEngineError, match="can't be reached"):
        await within(answer(engine, request()))


async def test_it_is_warmed_by_one_run_that_no_session_remembers(gateway, engine_for):
    engine = engine_for(gateway)
    await within(engine.open())
    await within(gateway.asked.wait())
    await within(engine._warming)
    (run,) = gateway.runs

    assert "user" not in run.body
    assert "x-openclaw-session-key" not in run.headers
    await within(engine.warm())
    assert len(gateway.runs) == 1


async def test_a_gateway_that_does_not_get_warm_serves_all_the_same(gateway, engine_for):
    gateway.error_after = 0
    engine = engine_for(gateway)
    await within(engine.open())
    await within(engine._warming)
    gateway.error_after = None

    assert "".join(await within(answer(engine, request()))) == "It is sunny."


async def test_a_host_that_ends_does_not_wait_for_the_warming(gateway, engine_for):
    gateway.fail(Fault("hang"))
    engine = engine_for(gateway)
    await within(engine.open())
    await within(gateway.asked.wait())
    await within(engine.aclose())

    await within(gateway.runs[0].cancelled.wait())


async def test_who_does_not_want_it_has_no_run_for_warmth(gateway, engine_for):
    engine = engine_for(gateway, warm=False)
    await within(engine.open())
    await within(answer(engine, request()))

    assert len(gateway.runs) == 1


def test_it_is_asked_once_and_only_when_the_caller_has_finished():
    engine = OpenClawEngine(OpenClaw(), 42)

    assert not engine.speculative
    assert not engine.repeatable
    assert engine.first_token_s == 42
