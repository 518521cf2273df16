"""The built-in agents hold what engines promise, those with a server against one that speaks its protocol."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.engines.agent.openclaw import OpenClawEngine
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.settings.sections import OpenAiAgent, OpenClaw
from openclaw_actors.testkit.conformance import AgentConformance, Faults
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan
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


class GatewayFaults(Faults):
    """Of the stand-in."""

    def __init__(self, gateway):
        self._gateway = gateway

    async def hang(self):
        self._gateway.fail(Fault("hang", after=1))

    async def fail(self):
        self._gateway.fail(Fault("error", error="api_error"))

    async def refuse(self):
        self._gateway.fail(Fault("status", 401))

    async def garbage(self):
        self._gateway.fail(Fault("garbage"))

    async def empty(self):
        self._gateway.fail(Fault("empty"))

    async def drop(self):
        self._gateway.fail(Fault("drop", after=1))

    async def stop(self):
        await self._gateway.stop()

    async def start(self):
        await self._gateway.start()

    async def answer(self, text):
        self._gateway.answer = [text]


class TestOpenClaw(AgentConformance):
    @pytest.fixture
    async def gateway(self):
        async with FakeGateway() as gateway:
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
