"""A turn's spans reach a collector over OTLP/HTTP, and the model's server is told where its own belong."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from openclaw_actors.errors import SettingsError
from openclaw_actors.observability.traces import SPANS, TRACEPARENT, open_traces
from openclaw_actors.settings.sections import (
    Agent,
    OpenAiAgent,
    OpenAiStt,
    OpenAiTts,
    Server,
    Settings,
    Stt,
    Traces,
    Tts,
)
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.providers.server import FakeServer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector(FakeServer):
    """Takes spans as OTLP/HTTP has them: protobuf, posted to /v1/traces."""

    def __init__(self) -> None:
        super().__init__()
        self.spans = []
        self.resources = []
        self.headers = []
        self._news = asyncio.Event()

    def routes(self):
        return (web.post("/v1/traces", self._take),)

    async def _take(self, request):
        assert request.content_type == "application/x-protobuf"
        self.headers.append(dict(request.headers))
        export = ExportTraceServiceRequest.FromString(await request.read())
        for resource in export.resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans += scope.spans
        self._news.set()
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def until(self, found, timeout_s=20):
        async with asyncio.timeout(timeout_s):
            while not found():
                self._news.clear()
                await self._news.wait()


def attributes(of) -> dict:
    return {each.key: each.value.string_value or each.value.int_value for each in of.attributes}


@asynccontextmanager
async def host_on(stub: OpenAiStub, endpoint: str):
    key = {"base_url": stub.base_url, "api_key": "stub"}
    settings = Settings(
        server=Server(port=0),
        stt=Stt(engines=("openai",), openai=OpenAiStt(**key)),
        agent=Agent(engines=("openai",), greeting="", openai=OpenAiAgent(**key, model="stub")),
        tts=Tts(engines=("openai",), openai=OpenAiTts(**key)),
        traces=Traces(endpoint=endpoint),
    )
    async with running_host(settings) as running, Caller(running.url) as caller:
        yield caller


async def test_each_turn_is_a_trace_with_a_span_for_each_part_of_its_way(flite, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    question = flite("What time is it?")
    plan = StubPlan(transcript="What time is it?", reply="It is two o'clock.")
    async with Collector() as collector, OpenAiStub(plan) as stub:
        async with host_on(stub, f"http://{collector.address}") as caller:
            for _ in range(2):
                await caller.ask(question)
                await caller.wait_silence()
            call_id, told = caller.call_id, [e for e in caller.events if e.type == "call.turn.completed"]
        await collector.until(lambda: sum(span.name == "turn" for span in collector.spans) == 2)
        asked = stub.of("chat")

    turns = [span for span in collector.spans if span.name == "turn"]
    assert len({span.trace_id for span in turns}) == 2
    assert collector.resources[0] == {
        **collector.resources[0],
        "service.name": "openclaw-actors",
        "deployment.environment": "test",
    }
    for turn, event in zip(turns, told, strict=True):
        about = attributes(turn)
        assert about["openclaw.call_id"] == call_id
        assert about["openclaw.turn"] == event.data["turn"]
        assert about["openclaw.agent"] == "openai"
        parts = {span.name: span for span in collector.spans if span.parent_span_id == turn.span_id}
        assert list(parts) == [name for name, _, _ in SPANS]
        assert {span.trace_id for span in parts.values()} == {turn.trace_id}
        for span in parts.values():
            assert turn.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.end_time_unix_nano <= turn.end_time_unix_nano
        took_ms = (turn.end_time_unix_nano - turn.start_time_unix_nano) / 1e6
        assert abs(took_ms - event.data["latency"]["total_ms"]) <= 2
        parent = f"00-{turn.trace_id.hex()}-{parts['agent_first_token'].span_id.hex()}-01"
        assert parent in {request.headers.get("traceparent") for request in asked}


async def test_a_collector_that_is_gone_costs_no_call_and_does_not_hold_the_end(flite):
    question = flite("What time is it?")
    plan = StubPlan(transcript="What time is it?", reply="It is two.")
    async with OpenAiStub(plan) as stub, host_on(stub, "http://127.0.0.1:9/v1/traces") as caller:
        await caller.ask(question)
        await caller.wait_event("call.turn.completed")


def test_nothing_is_traced_and_nothing_imported_unless_an_endpoint_is_set():
    assert open_traces(Traces(), {}) is None
    assert open_traces(Traces(endpoint="http://127.0.0.1:4318"), {"OTEL_SDK_DISABLED": "true"}) is None
    assert TRACEPARENT.get() == ""


async def test_the_standard_variables_name_the_collector_as_well(monkeypatch):
    async with Collector() as collector:
        monkeypatch.setenv(ENDPOINT, f"http://{collector.address}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "my-voice")
        traces = open_traces(Traces(), {ENDPOINT: "…", "OTEL_SERVICE_NAME": "my-voice"})
        traces.turn(traces.plan(), {"voiced": 1.0, "first_packet": 1.5}, {"openclaw.call_id": "call_1"})
        await traces.aclose()
        assert [span.name for span in collector.spans] == ["turn"]
        assert collector.resources[0]["service.name"] == "my-voice"
        assert collector.headers[0]["x-key"] == "secret"


async def test_a_sampler_decides_for_ours_and_for_those_below_it(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    async with Collector() as collector:
        traces = open_traces(Traces(endpoint=f"http://{collector.address}"), {})
        plan = traces.plan()
        assert plan.traceparent.endswith("-00")
        traces.turn(plan, {"voiced": 1.0, "first_packet": 1.5}, {})
        await traces.aclose()
        assert collector.spans == []


def test_without_the_extra_an_endpoint_is_a_wrong_setting(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"traces.endpoint: traces need an extra .*openclaw_actors\[otel\]"):
        open_traces(Traces(endpoint="http://127.0.0.1:4318"), {})
