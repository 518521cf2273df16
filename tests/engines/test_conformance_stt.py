"""The built-in recognisers hold what engines promise, those with a server against one that speaks its protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from openclaw_actors.engines.stt.faster_whisper import FasterWhisperEngine
from openclaw_actors.engines.stt.openai import OpenAiSttEngine
from openclaw_actors.engines.stt.openai_realtime import OpenAiRealtimeEngine
from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.settings.sections import FasterWhisper, OpenAiRealtime, OpenAiStt
from openclaw_actors.testkit.conformance import Faults, SttConformance
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.openai_realtime import RealtimeFault, RealtimeStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.speakers import flite, read_wav
from tests.conftest import needs_program
from tests.engines.conformance_faults import OpenAiFaults

DATA = Path(__file__).parents[1] / "data"


class TestPocketSphinx(SttConformance):
    said = "stop"
    longest_s = 3.0  # a minute of speech takes it 15 s of a core

    @pytest.fixture
    def speech(self):
        needs_program("flite", "apt install flite")
        return flite("stop").pcm

    @pytest.fixture
    def make_engine(self):
        return PocketSphinxEngine


class TestFasterWhisper(SttConformance):
    said = "yes please"

    @pytest.fixture
    def make_engine(self):
        model = str(DATA / "mini-whisper")
        settings = FasterWhisper(model=model, device="cpu", compute_type="int8", trim_context=True)
        return lambda: FasterWhisperEngine(settings)

    @pytest.fixture
    def speech(self):
        return read_wav(DATA / "speech" / "yes-please.wav").pcm


class _OpenAi(SttConformance):
    streams = "ignored"

    @pytest.fixture
    async def stub(self):
        plan = StubPlan(stt_delay_s=0.01, transcript="What is the weather like?", transcript_stream=self.streams)
        async with OpenAiStub(plan) as stub:
            yield stub

    @pytest.fixture
    def faults(self, stub):
        return OpenAiFaults(stub, "transcriptions")

    @pytest.fixture
    def make_engine(self, stub):
        return lambda: OpenAiSttEngine(OpenAiStt(base_url=stub.base_url))


class TestOpenAi(_OpenAi):
    streams = "ignored"


class TestOpenAiStreamed(_OpenAi):
    streams = "openai"


class TestOpenAiStreamedByVllm(_OpenAi):
    streams = "vllm"


class RealtimeFaults(Faults):
    """Of the next connection: each utterance that comes whole has one of its own."""

    def __init__(self, stub):
        self._stub = stub

    async def hang(self):
        self._stub.fail(RealtimeFault("hang"))

    async def fail(self):
        self._stub.fail(RealtimeFault("failed"))

    async def refuse(self):
        self._stub.fail(RealtimeFault("status", 401, "invalid_api_key"))

    async def garbage(self):
        self._stub.fail(RealtimeFault("garbage"))

    async def empty(self):
        self._stub.fail(RealtimeFault("empty"))

    async def drop(self):
        self._stub.fail(RealtimeFault("drop"))

    async def stop(self):
        await self._stub.stop()

    async def start(self):
        await self._stub.start()

    async def answer(self, text):
        self._stub.hear = text


class TestOpenAiRealtime(SttConformance):
    streams = False

    @pytest.fixture
    async def stub(self):
        async with RealtimeStub("What is the weather like?", delay_s=0.01, streams=self.streams) as stub:
            yield stub

    @pytest.fixture
    def faults(self, stub):
        return RealtimeFaults(stub)

    @pytest.fixture
    def make_engine(self, stub):
        return lambda: OpenAiRealtimeEngine(OpenAiRealtime(base_url=stub.base_url, api_key=SecretStr("sk")))


class TestOpenAiRealtimeOfAModelThatStreams(TestOpenAiRealtime):
    streams = True
