"""The built-in agents hold what engines promise, those with a server against one that speaks its protocol."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from pydantic import SecretStr

from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.engines.agent.openclaw import OpenClawEngine
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.settings.sections import OpenAiAgent, OpenClaw
from openclaw_actors.testkit.conformance import AgentConformance, Faults
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from tests.engines.conformance_faults import OpenAiFaults


class TestParrot(AgentConformance):
    @pytest.fixture
    def make_engine(self):
        return ParrotEngine


class TestOpenAi(AgentConformance):
    @pytest.fixture
    async def stub(self):
        async with OpenAiStub(StubPlan(first_token_s=0.01, token_s=0.001)) as stub:
            yield stub

    @pytest.fixture
    def faults(self, stub):
        return OpenAiFaults(stub, "chat")

    @pytest.fixture
    def make_engine(self, stub):
        return lambda: OpenAiAgentEngine(OpenAiAgent(base_url=stub.base_url, model="stub"))


class FaultyGateway(FakeGateway):
    """The stand-in, its next answer as it was ordered."""

    ordered = ""

    async def _run(self, request):
        ordered, self.ordered = self.ordered, ""
        if not ordered:
            return await super()._run(request)
        if ordered == "refuse":
            return web.json_response({"error": {"message": "Unauthorized", "type": "unauthorized"}}, status=401)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if ordered == "garbage":
            await response.write(b"data: {no json\n\n")
            return response
        if ordered in {"drop", "hang"}:
            await self._event(response, {"choices": [{"index": 0, "delta": {"content": "It "}, "finish_reason": None}]})
            if ordered == "drop":
                request.transport.abort()
            await asyncio.Event().wait()  # ends by cancellation, when the client has gone
        if ordered == "fail":
            await self._event(response, {"error": {"message": "internal error", "type": "api_error"}})
        else:
            await self._event(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await response.write(b"data: [DONE]\n\n")
        return response


class GatewayFaults(Faults):
    """Of the stand-in."""

    def __init__(self, gateway):
        self._gateway = gateway

    async def hang(self):
        self._gateway.ordered = "hang"

    async def fail(self):
        self._gateway.ordered = "fail"

    async def refuse(self):
        self._gateway.ordered = "refuse"

    async def garbage(self):
        self._gateway.ordered = "garbage"

    async def empty(self):
        self._gateway.ordered = "empty"

    async def drop(self):
        self._gateway.ordered = "drop"

    async def stop(self):
        await self._gateway.stop()

    async def start(self):
        await self._gateway.__aenter__()

    async def answer(self, text):
        self._gateway.answer = [text]


class TestOpenClaw(AgentConformance):
    @pytest.fixture
    async def gateway(self):
        async with FaultyGateway() as gateway:
            yield gateway

    @pytest.fixture
    def faults(self, gateway):
        return GatewayFaults(gateway)

    @pytest.fixture
    def make_engine(self, gateway):
        return lambda: OpenClawEngine(OpenClaw(base_url=gateway.base_url, token=SecretStr(TOKEN), warm=False), 30)


class TestOpenClawThatIsBeingWarmed(AgentConformance):
    """Its first run is under way while all this happens."""

    @pytest.fixture
    async def gateway(self):
        async with FakeGateway() as gateway:
            yield gateway

    @pytest.fixture
    def make_engine(self, gateway):
        return lambda: OpenClawEngine(OpenClaw(base_url=gateway.base_url, token=SecretStr(TOKEN)), 30)
