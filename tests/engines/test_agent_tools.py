"""A model steers its call with real tool calls, streamed over a real socket."""

from __future__ import annotations

import json

import pytest
from tts_samples import within

from openclaw_actors.engines.agent import chat
from openclaw_actors.engines.agent.call_tools import HOLD_S, MESSAGE_CHARS, CallTools, ToolCall
from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.engines.protocols import (
    AgentRequest,
    EndCall,
    HoldCall,
    PressKeys,
    TakeMessage,
    TransferCall,
)
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.settings.sections import Destination, OpenAiAgent
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Answer, Fault, StubPlan

DESTINATIONS = (Destination(name="Front desk", number="+15550100"), Destination(name="Ann", number="sip:ann@pbx.test"))
ALL = ("hangup", "transfer", "send_dtmf", "hold", "take_message")


class Model:
    """Answers one after the other, and remembers with what each was asked."""

    def __init__(self, *answers: str | Answer) -> None:
        self.answers = list(answers)
        self.asked: list[list[dict]] = []

    def __call__(self, messages: list[dict]) -> str | Answer:
        self.asked.append(messages)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def told(self, number: int) -> list[str]:
        """The results that came with the request of this number."""
        return [message["content"] for message in self.asked[number] if message["role"] == "tool"]


@pytest.fixture
async def ask(closing):
    """Ask a model that answers so; what it said and what it wanted done."""
    async with OpenAiStub(StubPlan(first_token_s=0, token_s=0)) as stub:

        async def ask(model: Model, tools=ALL, destinations=DESTINATIONS) -> tuple[str, list]:
            stub.plan = StubPlan(first_token_s=0, token_s=0, reply=model, takes_tools=stub.plan.takes_tools)
            engine = closing(OpenAiAgentEngine(OpenAiAgent(base_url=stub.base_url, model="m"), destinations))
            request = AgentRequest("c", "", "Please.", (), "Be brief.", 3.0, tools=tools)
            pieces = [piece async for piece in engine.reply(request)]
            said = "".join(piece for piece in pieces if isinstance(piece, str))
            return said, [piece for piece in pieces if not isinstance(piece, str)]

        ask.stub = stub
        yield ask


def calls(name: str, **arguments) -> Answer:
    return Answer("", ((name, json.dumps(arguments)),))


async def test_a_goodbye_and_a_hang_up_are_one_request(ask):
    model = Model(Answer("Goodbye, Ann.", (("hangup", "{}"),)))

    assert await within(ask(model)) == ("Goodbye, Ann.", [EndCall()])
    assert len(model.asked) == 1


async def test_a_model_that_hangs_up_without_a_word_is_asked_for_one(ask):
    model = Model(calls("hangup"), "Goodbye.")

    assert await within(ask(model)) == ("Goodbye.", [EndCall()])
    assert model.asked[1][-2]["tool_calls"][0]["function"]["name"] == "hangup"
    assert "spoken" in model.told(1)[0]


@pytest.mark.parametrize(
    ("answer", "control"),
    [
        (calls("transfer", to="front desk"), TransferCall("+15550100")),
        (calls("transfer", to="Ann"), TransferCall("sip:ann@pbx.test")),
        (calls("send_dtmf", digits="1w23#"), PressKeys("1w23#")),
        (calls("hold", seconds=30), HoldCall(30)),
        (calls("hold", seconds=0), HoldCall(HOLD_S[0])),
        (calls("hold", seconds=1e9), HoldCall(HOLD_S[1])),
        (calls("take_message", text=" Ring Ann. "), TakeMessage("Ring Ann.")),
    ],
)
async def test_each_tool_does_what_it_says(ask, answer, control):
    assert await within(ask(Model(answer, "Done."))) == ("Done.", [control])


async def test_calls_made_at_once_are_told_apart_and_each_gets_its_result(ask):
    wanted = (("take_message", '{"text": "Ring Ann."}'), ("send_dtmf", '{"digits": "1"}'), ("dance", "{}"))
    model = Model(Answer("One moment.", wanted), "Done.")

    assert await within(ask(model)) == ("One moment.\nDone.", [TakeMessage("Ring Ann."), PressKeys("1")])
    ids = [call["id"] for call in model.asked[1][-4]["tool_calls"]]
    assert [message["tool_call_id"] for message in model.asked[1][-3:]] == ids
    assert [result.partition(" ")[0] for result in model.told(1)] == ["Noted.", "It", "Error:"]


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("send_dtmf", '{"digits": "12', "not JSON"),
        ("send_dtmf", '["1"]', "JSON object"),
        ("send_dtmf", "{}", "'digits' is missing"),
        ("send_dtmf", '{"digits": "12x"}', "not X"),
        ("send_dtmf", '{"digits": ""}', "at least one key"),
        ("transfer", '{"to": "+19005550000"}', "nobody is called '+19005550000'; there are: Front desk, Ann"),
        ("transfer", '{"to": null}', "nobody is called"),
        ("hold", '{"seconds": "long"}', "could not convert"),
        ("hold", '{"seconds": NaN}', "no number"),
        ("take_message", '{"text": "  "}', "empty"),
        ("take_message", json.dumps({"text": "x" * (MESSAGE_CHARS + 1)}), "2000 characters"),
        ("rm", "{}", "no tool 'rm'"),
    ],
)
async def test_a_wrong_call_does_nothing_and_the_model_is_told_why(ask, name, arguments, why):
    model = Model(Answer("", ((name, arguments),)), calls("hangup"), "Bye.")

    assert await within(ask(model)) == ("Bye.", [EndCall()])
    assert why in model.told(1)[0]
    assert "Error" in model.told(1)[0]


async def test_no_caller_can_talk_the_agent_into_a_number(ask):
    tools = CallTools(ALL, DESTINATIONS)
    (transfer,) = [tool["function"] for tool in tools.specifications() if tool["function"]["name"] == "transfer"]

    assert transfer["parameters"]["properties"]["to"]["enum"] == ["Front desk", "Ann"]
    assert "+1555" not in json.dumps(tools.specifications())
    assert tools.use(ToolCall("1", "transfer", '{"to": "+15550100"}')).control is None


async def test_only_what_the_settings_offer_can_be_called(ask):
    model = Model(calls("hangup"), "Sorry, I can not.")

    assert await within(ask(model, tools=("take_message",))) == ("Sorry, I can not.", [])
    offered = [tool["function"]["name"] for tool in ask.stub.of("chat")[0].body["tools"]]
    assert offered == ["take_message"]


async def test_without_destinations_there_is_no_transfer_and_without_tools_none_are_sent(ask):
    await within(ask(Model("Yes."), destinations=()))
    await within(ask(Model("Yes."), tools=()))
    first, second = (request.body for request in ask.stub.of("chat"))

    assert "transfer" not in [tool["function"]["name"] for tool in first["tools"]]
    assert "tools" not in second


async def test_a_model_that_calls_tools_for_ever_must_answer_in_the_end(ask):
    model = Model(*[calls("take_message", text=f"Number {n}.") for n in range(20)])
    await within(ask(model))
    choices = [request.body.get("tool_choice") for request in ask.stub.of("chat")]

    assert choices == [None] * (chat.ROUNDS - 1) + ["none"]


async def test_a_flood_of_calls_is_cut_and_every_call_has_its_result(ask):
    flood = Answer("", tuple(("take_message", f'{{"text": "Number {n}."}}') for n in range(20)))
    _, wanted = await within(ask(model := Model(flood, "Done.")))

    assert len(wanted) == 8
    assert len(model.told(1)) == 20
    assert model.told(1)[-1].startswith("Error: too many")


async def test_a_server_that_takes_no_tools_answers_without_them(ask):
    ask.stub.plan = StubPlan(takes_tools=False)

    assert await within(ask(Model("It is sunny."))) == ("It is sunny.", [])
    assert ["tools" in request.body for request in ask.stub.of("chat")] == [True, False]


async def test_a_failure_after_a_tool_was_called_is_told_behind_what_was_wanted(ask):
    ask.stub.fail("chat", None, Fault("status", status=502))

    with pytest.raises(TransientEngineError, match="502"):
        await within(ask(Model(calls("take_message", text="Ring Ann."))))


async def test_nothing_said_after_a_tool_is_an_answer_too(ask):
    assert await within(ask(Model(calls("take_message", text="Ring Ann."), ""))) == ("", [TakeMessage("Ring Ann.")])


def delta(index, call_id, name=None, arguments=None):
    """A piece of a tool call, as servers send it that keep to the letter of the API less than others."""
    function = {"name": name, "arguments": arguments} if name or arguments else None
    return {"index": index, "id": call_id, "function": function}


@pytest.mark.parametrize(
    "deltas",
    [
        [delta(0, "a", "hangup", "{}"), delta(0, "b", "hold", '{"seconds": 9}')],  # Ollama: all have the index 0
        [delta(None, "a", "hangup", "{}"), delta(None, "b", "hold", '{"seconds": 9}')],
        [
            delta(0, "a", "hangup"),
            delta(1, "b", "hold"),
            delta(1, None, None, '{"seconds": 9}'),
            delta(0, "", None, "{}"),
        ],
        [delta(0, "a", "hangup", "{}"), delta(1, "b", "hold", '{"sec'), delta(1, "b", "hold", 'onds": 9}')],
    ],
)
def test_calls_are_put_together_as_different_servers_send_them(deltas):
    parts = chat._Calls()
    for each in deltas:
        parts.take([each])

    assert parts.whole() == [ToolCall("a", "hangup", "{}"), ToolCall("b", "hold", '{"seconds": 9}')]
