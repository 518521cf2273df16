"""The examples of the agents' pages are asked something."""

from __future__ import annotations

import json
import re

import pytest

from openclaw_actors.engines.protocols import AgentRequest
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.settings.load import load_settings
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from tests.docs.test_engine_pages import DOCS, examples
from tests.gateway.real import RealGateway


@pytest.fixture
def loaded(tmp_path):
    def load(example: str, base_url: str):
        (tmp_path / "gateway-token").write_text(TOKEN)
        path = tmp_path / "example.toml"
        path.write_text(re.sub(r'base_url = ".*?"', f'base_url = "{base_url}"', example))
        return load_settings(path, {})

    return load


async def answer(name: str, settings) -> str:
    engine = make_engine("agent", name, settings)
    agent = settings.agent
    try:
        await engine.open()
        request = AgentRequest("c", "", "Are you open?", (), agent.system_prompt, 1.0, tools=agent.tools)
        return "".join([piece async for piece in engine.reply(request) if isinstance(piece, str)])
    finally:
        await engine.aclose()


async def test_a_model_as_the_page_sets_it_up_answers_and_is_offered_the_tools_that_the_page_says(loaded):
    async with OpenAiStub(StubPlan(first_token_s=0, token_s=0, reply="Until six.")) as stub:
        plain, with_tools = examples("openai.md")
        assert await answer("openai", loaded(plain, stub.base_url)) == "Until six."
        assert await answer("openai", loaded(with_tools, stub.base_url)) == "Until six."
        first, second = (request.body for request in stub.of("chat"))
    assert first["model"] == "qwen3:8b"
    assert "Ann's bakery" in first["messages"][0]["content"]
    tools = {tool["function"]["name"]: tool["function"] for tool in second["tools"]}
    assert list(tools) == ["hangup", "transfer", "take_message"]
    assert tools["transfer"]["parameters"]["properties"]["to"]["enum"] == ["front desk", "Ann"]


async def test_a_gateway_as_the_page_sets_it_up_answers(loaded):
    async with FakeGateway("Until ", "six.") as gateway:
        first, *_ = examples("openclaw.md")
        assert await answer("openclaw", loaded(first, gateway.base_url)) == "Until six."


def test_the_gateway_s_config_on_the_page_is_what_the_real_one_is_run_with(tmp_path):
    page = (DOCS / "engines" / "openclaw.md").read_text()
    endpoint, _ = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    RealGateway(tmp_path, 1)
    real = json.loads((tmp_path / "openclaw.json").read_text())["gateway"]
    assert endpoint["gateway"]["http"] == real["http"]
    assert endpoint["gateway"]["auth"].keys() == real["auth"].keys()
