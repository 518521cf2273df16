"""Traces for OpenTelemetry: one a turn, a span for each part of its way to the caller's ear (extra ``otel``).

A turn's spans are made when its first sound has left, out of the marks that are kept for the metrics anyway: nothing is
done on the way. Only the ids are drawn when the agent is asked, so that the model's server can hang its own spans below
ours (``traceparent``, W3C Trace Context). The SDK exports in batches from a thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openclaw_actors import __version__
from openclaw_actors.errors import SettingsError
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Traces as TracesSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_log = get_logger(__name__)

TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
"""The header for HTTP requests of the current work; empty where nothing is traced."""

_CLOSE_S = 5.0
"""For the last batch, at the host's end: a collector that is gone must not hold it."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

Mark = Literal[
    "likely_end", "heard", "asked", "first_token", "first_clause", "first_audio", "end_of_turn", "first_packet"
]  # fmt: skip
"""How far an answer has come (actors/latency.py)."""
Moment = Literal["voiced"] | Mark
"""Of a turn: ``voiced`` is the caller's last sound."""

SPANS: tuple[tuple[str, tuple[Moment, ...], Moment], ...] = (
    ("end_of_turn", ("voiced",), "end_of_turn"),
    ("stt_final", ("likely_end", "voiced"), "heard"),
    ("agent_first_token", ("asked",), "first_token"),
    ("first_clause", ("first_token",), "first_clause"),
    ("tts_first_audio", ("first_clause", "first_token", "asked"), "first_audio"),
    ("first_packet", ("first_audio",), "first_packet"),
)
"""Name, where it begins (the first of these that was reached), where it ends. They overlap, as the work does."""


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """The ids of a turn's trace, drawn before there are spans."""

    trace_id: int
    turn_id: int
    agent_id: int
    sampled: bool

    @property
    def traceparent(self) -> str:
        """W3C Trace Context's header: what is asked of the agent hangs below its span."""
        return f"00-{self.trace_id:032x}-{self.agent_id:016x}-{'01' if self.sampled else '00'}"


class Traces:
    """One process's. All of it but the export runs on the loop, and takes microseconds."""

    def __init__(self, provider: TracerProvider, exporter: SpanExporter, ids: Any) -> None:
        self._provider = provider
        self._exporter = exporter
        self._ids = ids
        self._tracer = provider.get_tracer("openclaw_actors", __version__)

    def plan(self) -> TurnTrace:
        """Draw the ids of a turn that begins."""
        ids = self._ids
        trace_id = ids.generate_trace_id()
        decision: Any = self._provider.sampler.should_sample(None, trace_id, "turn").decision
        sampled = bool(decision.is_sampled())
        return TurnTrace(trace_id, ids.generate_span_id(), ids.generate_span_id(), sampled)

    def turn(self, plan: TurnTrace, moments: Mapping[Moment, float], attributes: Mapping[str, str | int]) -> None:
        """The turn's first sound has left: make its spans.

        Args:
            plan: its ids.
            moments: which it reached, and when (monotonic seconds); ``voiced`` and ``first_packet`` among them.
            attributes: of the turn.
        """
        from opentelemetry.context import Context  # noqa: PLC0415 - an extra
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - an extra

        wall_ns = time.time_ns() - time.monotonic_ns()
        at = {moment: wall_ns + round(seconds * 1e9) for moment, seconds in moments.items()}
        self._ids.next_trace_id, self._ids.next_span_id = plan.trace_id, plan.turn_id
        turn = self._tracer.start_span("turn", Context(), start_time=at["voiced"], attributes=attributes)
        within = set_span_in_context(turn, Context())
        for name, begins, ends in SPANS:
            begin = next((at[moment] for moment in begins if moment in at), None)
            if begin is None or ends not in at:
                continue
            self._ids.next_span_id = plan.agent_id if name == "agent_first_token" else 0
            span = self._tracer.start_span(name, within, start_time=min(begin, at[ends]))
            span.end(at[ends])
        turn.end(at["first_packet"])

    async def aclose(self) -> None:
        """Export what waits; what can't be within five seconds is lost."""
        closer = ThreadPoolExecutor(1, "traces")
        try:
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.get_running_loop().run_in_executor(closer, self._provider.shutdown)
        except TimeoutError:
            self._exporter.shutdown()  # it tries no more, and lets go of its thread
            _log.warning("the last traces could not be exported in time", waited_s=_CLOSE_S)
        finally:
            closer.shutdown(wait=False)


def open_traces(settings: TracesSettings, environ: Mapping[str, str]) -> Traces | None:
    """What ``traces.endpoint`` or OpenTelemetry's own variables ask for; None: nothing is traced.

    Raises:
        SettingsError: an endpoint is set, and the extra is not installed.
    """
    by_variable = next((name for name in _ENDPOINTS if environ.get(name)), "")
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not (settings.endpoint or by_variable):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

        from openclaw_actors.observability.trace_ids import PlannedIds  # noqa: PLC0415 - of the extra
    except ImportError as error:
        remedy = f"traces need an extra ({error}): pip install 'openclaw_actors[otel]', or take the endpoint away"
        raise SettingsError("the settings", by_variable or "traces.endpoint", remedy) from None
    ids = PlannedIds()
    named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "openclaw-actors"}
    resource = Resource.create({**named, "service.version": __version__})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=_traces_url(settings.endpoint) if settings.endpoint else None)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Traces(provider, exporter, ids)


def _traces_url(endpoint: str) -> str:
    """A collector's address alone means its standard path (OTLP/HTTP, "OTLP/HTTP Request")."""
    scheme, _, rest = endpoint.partition("://")
    return endpoint if "/" in rest.rstrip("/") else f"{scheme}://{rest.rstrip('/')}/v1/traces"
