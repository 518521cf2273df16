from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr
from tts_samples import within

from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.engines.protocols import AgentRequest
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.messages import Line
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import OpenAiAgent
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan


@pytest.fixture
async def stub():
    plan = StubPlan(first_token_s=0, token_s=0, reply="It is sunny in Paris.", api_key="sk-1")
    async with OpenAiStub(plan) as server:
        yield server


@pytest.fixture
def engine_for(closing):
    def make(base_url: str, **settings) -> OpenAiAgentEngine:
        settings = {"api_key": SecretStr("sk-1"), "model": "m"} | settings
        return closing(OpenAiAgentEngine(OpenAiAgent(base_url=base_url, **settings)))

    return make


def request(**fields) -> AgentRequest:
    given = {"call_id": "c", "caller": "", "text": "And now?", "history": (), "system_prompt": "Be brief."}
    return AgentRequest(**(given | {"call_seconds": 3.0} | fields))


async def answer(engine: OpenAiAgentEngine, asked: AgentRequest) -> list[str]:
    return [piece async for piece in engine.reply(asked)]


async def test_the_model_answers_word_by_word(stub, engine_for):
    engine = engine_for(stub.base_url)
    await within(engine.open())

    assert await within(answer(engine, request())) == ["It", " is", " sunny", " in", " Paris."]


async def test_the_model_is_told_the_whole_conversation_as_it_was_heard(stub, engine_for):
    history = (Line("user", "Hello"), Line("agent", "Hello! How", cut=True), Line("user", "Wait"))
    await within(answer(engine_for(stub.base_url), request(history=history)))
    body = stub.of("chat")[0].body

    assert body["model"] == "m"
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How —"},
        {"role": "user", "content": "Wait"},
        {"role": "user", "content": "And now?"},
    ]


def tokens(direction: str) -> float:
    labels = {"engine": "openai", "direction": direction}
    return metrics.REGISTRY.get_sample_value("openclaw_actors_engine_tokens_total", labels) or 0.0


async def test_what_an_answer_costs_is_counted_as_the_server_tells_it(stub, engine_for):
    engine = engine_for(stub.base_url)
    taken, given = tokens("in"), tokens("out")
    await within(answer(engine, request()))
    assert tokens("in") > taken
    assert tokens("out") - given == 5, "It is sunny in Paris."


async def test_a_server_that_knows_no_stream_options_is_asked_without_them(stub, engine_for):
    stub.plan = replace(stub.plan, tells_usage=False)
    engine = engine_for(stub.base_url)
    for _ in range(2):
        assert "".join(await within(answer(engine, request()))) == "It is sunny in Paris."
    assert ["stream_options" in asked.body for asked in stub.of("chat")] == [True, False, False]


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"history_lines": 3}, ["Four", "Five", "Six"]),
        ({"history_chars": 9}, ["Four", "Five", "Six"][1:]),
        ({"history_chars": 1}, ["Six"]),
        ({}, ["One", "Two", "Three", "Four", "Five", "Six"]),
    ],
)
async def test_of_a_long_conversation_the_newest_part_is_told(stub, engine_for, bounds, kept):
    history = tuple(Line("user", word) for word in ("One", "Two", "Three", "Four", "Five", "Six"))
    await within(answer(engine_for(stub.base_url, **bounds), request(history=history)))

    assert stub.of("chat")[0].body["messages"][1]["content"] == " ".join(kept)


async def test_the_connection_of_a_warm_engine_serves_the_first_question(stub, engine_for):
    engine = engine_for(stub.base_url)
    await within(engine.warm())
    await within(answer(engine, request()))

    assert stub.of("models")[0].peer == stub.of("chat")[0].peer


async def test_a_broken_off_answer_is_to_go_on_where_it_stopped(stub, engine_for):
    await within(answer(engine_for(stub.base_url), request(unfinished="It is")))

    assert "«It is» Continue right after them" in stub.of("chat")[0].body["messages"][0]["content"]


async def test_no_system_prompt_is_no_message(stub, engine_for):
    await within(answer(engine_for(stub.base_url), request(system_prompt="")))

    assert [message["role"] for message in stub.of("chat")[0].body["messages"]] == ["user"]


async def test_an_interruption_ends_the_request(stub, engine_for):
    stub.fail("chat", Fault("hang", after=2))
    reply = engine_for(stub.base_url).reply(request())
    assert await within(anext(reply)) == "It"
    await within(reply.aclose())

    await within(stub.of("chat")[0].finished.wait())


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (Fault("status", status=401), RefusedEngineError, "401"),
        (Fault("status", status=400), BrokenEngineError, "400"),
        (Fault("status", status=404), RefusedEngineError, "404"),
        (Fault("status", status=429), TransientEngineError, "429"),
        (Fault("status", status=502), TransientEngineError, "502"),
        (Fault("drop"), TransientEngineError, "connection lost"),
        (Fault("drop", after=2), TransientEngineError, "connection lost"),
        (Fault("empty"), TransientEngineError, "empty answer"),
        (Fault("garbage"), BrokenEngineError, "understood"),
    ],
    ids=lambda value: f"{value.kind} {value.status} {value.after}" if isinstance(value, Fault) else None,
)
async def test_each_fault_is_told_by_its_kind_and_the_next_answer_is_well(stub, engine_for, fault, error, text):
    engine = engine_for(stub.base_url)
    stub.fail("chat", fault)

    with pytest.raises(error, match=text):
        await within(answer(engine, request()))
    assert "".join(await within(answer(engine, request()))) == "It is sunny in Paris."
    assert len(stub.of("chat")) == 2  # nothing was tried again behind our back


async def test_a_model_that_falls_silent_is_given_up(stub, engine_for, monkeypatch):
    monkeypatch.setattr("openclaw_actors.engines.agent.openai._SILENCE_S", 0.2)
    stub.fail("chat", Fault("hang", after=1))

    with pytest.raises(TransientEngineError, match=r"in time|lost"):
        await within(answer(engine_for(stub.base_url), request()), 3)


@pytest.mark.parametrize(
    ("fault", "serves"),
    [
        (Fault("status", status=404), True),
        (Fault("status", status=405), True),
        (Fault("garbage"), True),
        (Fault("status", status=500), False),
        (Fault("drop"), False),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else None,
)
async def test_a_server_need_not_list_its_models_to_serve(stub, engine_for, fault, serves):
    stub.fail_always("models", fault)
    engine = engine_for(stub.base_url)
    if serves:
        await within(engine.open())
    else:
        with pytest.raises(UnavailableEngineError):
            await within(engine.open())


async def test_a_probe_of_a_server_that_hangs_ends(stub, engine_for, monkeypatch):
    monkeypatch.setattr("openclaw_actors.engines.openai_service._PROBE_S", 0.1)
    stub.fail("models", Fault("hang"))

    with pytest.raises(UnavailableEngineError, match="does not answer"):
        await within(engine_for(stub.base_url).open())


async def test_what_is_missing_is_said_at_the_probe(stub, engine_for, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
    with pytest.raises(UnavailableEngineError, match=r"agent\.openai\.base_url"):
        await within(engine_for("", api_key=SecretStr("")).open())
    with pytest.raises(UnavailableEngineError, match=r"agent\.openai\.model"):
        await within(engine_for(stub.base_url, model="").open())
    with pytest.raises(RefusedEngineError, match="401"):
        await within(engine_for(stub.base_url, api_key=SecretStr("")).open())
