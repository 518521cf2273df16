"""One suite for the Gateway and its stand-in: `make test` runs it on the stand-in, `make gateway` on the real one."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from openclaw_actors.engines.agent.openclaw import OpenClawEngine
from openclaw_actors.settings.sections import OpenClaw
from openclaw_actors.testkit.providers.openai import OpenAiStub, StubRequest
from openclaw_actors.testkit.providers.plan import Answer, StubPlan
from tests.gateway.real import INSTALLED, TOKEN, RealGateway, free_port
from tests.gateway.stand_in import StandInGateway

REMEDY = "the real Gateway is not installed: make gateway"


@pytest.fixture(scope="session")
def real_gateway(tmp_path_factory):
    """Started once: it takes 6-15 s."""
    if not (INSTALLED / "openclaw").exists():
        if os.environ.get("CI"):
            pytest.fail(REMEDY)
        pytest.skip(REMEDY)
    model_port = free_port()
    gateway = RealGateway(tmp_path_factory.mktemp("gateway"), model_port)
    gateway.start()
    yield gateway, model_port
    gateway.stop()


def words_of(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


@dataclass
class Model:
    """What the agent's language model answers, by a word of what it is asked."""

    answers: dict[str, str | Answer] = field(default_factory=dict)
    stub: OpenAiStub = field(init=False)

    def __call__(self, messages: list[dict[str, Any]]) -> str | Answer:
        said = [words_of(message) for message in messages if message["role"] in {"user", "tool"}]
        last = [text for text in said if "OPENCLAW_INTERNAL" not in text][-1]
        return next((answer for word, answer in self.answers.items() if word in last), "It is sunny.")

    @property
    def asked(self) -> list[StubRequest]:
        return self.stub.of("chat")

    def saw(self, request: StubRequest) -> list[str]:
        """Everything that the model was given, message by message."""
        return [words_of(message) for message in request.body["messages"]]


def call_of(name: str, **arguments: Any) -> tuple[str, str]:
    """How a model of the Gateway calls a tool of its client."""
    return "tool_call", json.dumps({"id": name, "args": arguments})


@dataclass
class Gateway:
    """Either of them, with its model."""

    base_url: str
    model: Model
    is_real: bool
    settings: Callable[..., OpenClaw] = field(init=False)

    def __post_init__(self) -> None:
        self.settings = lambda **given: OpenClaw(
            **({"base_url": self.base_url, "token": SecretStr(TOKEN), "warm": False} | given)
        )


@pytest.fixture(params=["stand-in", pytest.param("real", marks=[pytest.mark.gateway, pytest.mark.timeout(240)])])
async def gateway(request) -> AsyncIterator[Gateway]:
    model = Model()
    is_real = request.param == "real"
    real, port = request.getfixturevalue("real_gateway") if is_real else (None, free_port())
    async with AsyncExitStack() as closing:
        model.stub = await closing.enter_async_context(
            OpenAiStub(StubPlan(first_token_s=0, token_s=0.01, reply=model), port)
        )
        base_url = real.base_url if real else (await closing.enter_async_context(StandInGateway(port))).base_url
        yield Gateway(base_url, model, is_real)


@pytest.fixture
async def engine_for(gateway):
    made: list[OpenClawEngine] = []

    def make(**settings: Any) -> OpenClawEngine:
        made.append(OpenClawEngine(gateway.settings(**settings), 60))
        return made[-1]

    yield make
    for engine in made:
        await engine.aclose()
