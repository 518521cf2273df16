"""The built-in voices hold what engines promise, those with a server against one that speaks its protocol."""

from __future__ import annotations

import edge_tts.communicate
import pytest
from edge_tts.drm import DRM
from piper_voice import make_voice

from openclaw_actors.engines.tts.edge_tts import EdgeTtsEngine
from openclaw_actors.engines.tts.edge_tts_service import EdgeTtsServiceEngine
from openclaw_actors.engines.tts.espeak_ng import EspeakNgEngine
from openclaw_actors.engines.tts.openai import OpenAiTtsEngine
from openclaw_actors.engines.tts.piper import PiperEngine
from openclaw_actors.settings.sections import EdgeTts, EdgeTtsService, EspeakNg, OpenAiTts, Piper
from openclaw_actors.testkit.conformance import Faults, TtsConformance
from openclaw_actors.testkit.providers.edge import EdgeFault, FakeEdge
from openclaw_actors.testkit.providers.edge_service import FakeEdgeService
from openclaw_actors.testkit.providers.openai import OpenAiStub, buzz
from openclaw_actors.testkit.providers.plan import StubPlan
from tests.engines.conformance_faults import OpenAiFaults


def brief(text: str) -> bytes:
    """A voice that makes no minutes of sound of a long text: the servers are in this process."""
    return buzz(text[:30])


class TestEspeakNg(TtsConformance):
    @pytest.fixture
    def make_engine(self):
        return lambda: EspeakNgEngine(EspeakNg())


class TestPiper(TtsConformance):
    @pytest.fixture
    def make_engine(self, tmp_path):
        voice = str(make_voice(tmp_path / "hum.onnx"))
        return lambda: PiperEngine(Piper(voice=voice))


class TestOpenAi(TtsConformance):
    @pytest.fixture
    async def stub(self):
        async with OpenAiStub(StubPlan(tts_delay_s=0.01, voice=brief)) as stub:
            yield stub

    @pytest.fixture
    def faults(self, stub):
        return OpenAiFaults(stub, "speech")

    @pytest.fixture
    def make_engine(self, stub):
        return lambda: OpenAiTtsEngine(OpenAiTts(base_url=stub.base_url))


class EdgeFaults(Faults):
    """Microsoft's framing: a refused token, no audio, noise, a connection that breaks in the middle."""

    def __init__(self, edge):
        self._edge = edge

    async def hang(self):
        self._edge.fail(EdgeFault("hang"))

    async def fail(self):
        self._edge.fail(EdgeFault("status", status=503))

    async def refuse(self):
        # At the first 403 the package sets its clock by the answer's date, and tries again.
        self._edge.fail(EdgeFault("status", status=403), EdgeFault("status", status=403))

    async def garbage(self):
        self._edge.fail(EdgeFault("garbage"))

    async def empty(self):
        self._edge.fail(EdgeFault("no_audio"))

    async def drop(self):
        self._edge.fail(EdgeFault("drop", after=2))

    async def stop(self):
        await self._edge.stop()

    async def start(self):
        await self._edge.start()


class TestEdgeTts(TtsConformance):
    @pytest.fixture(autouse=True)
    def _the_package_as_it_was(self, monkeypatch):
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", edge_tts.communicate.WSS_URL)
        monkeypatch.setattr(DRM, "clock_skew_seconds", 0.0)

    @pytest.fixture
    async def edge(self):
        async with FakeEdge(brief) as edge:
            yield edge

    @pytest.fixture
    def faults(self, edge):
        return EdgeFaults(edge)

    @pytest.fixture
    def make_engine(self, edge):
        return lambda: EdgeTtsEngine(EdgeTts(), endpoint=edge.endpoint)


class ServiceFaults(Faults):
    """Of edge-tts-as-a-service."""

    def __init__(self, service):
        self._service = service

    async def hang(self):
        self._service.fail("hang")

    async def fail(self):
        self._service.fail("error")

    async def refuse(self):
        self._service.fail("refused")

    async def garbage(self):
        self._service.fail("garbage")

    async def empty(self):
        self._service.fail("silence")

    async def drop(self):
        self._service.fail("drop")

    async def stop(self):
        await self._service.stop()

    async def start(self):
        await self._service.start()


class TestEdgeTtsService(TtsConformance):
    @pytest.fixture
    async def service(self):
        async with FakeEdgeService(brief) as service:
            yield service

    @pytest.fixture
    def faults(self, service):
        return ServiceFaults(service)

    @pytest.fixture
    def make_engine(self, service):
        return lambda: EdgeTtsServiceEngine(EdgeTtsService(base_url=service.base_url))
