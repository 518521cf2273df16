"""Ids of spans that were promised before the spans were made. Needs the extra ``otel``."""

from __future__ import annotations

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class PlannedIds(RandomIdGenerator):
    """Random ones, unless the next has been set. On the loop's thread only."""

    def __init__(self) -> None:
        self.next_trace_id = 0
        self.next_span_id = 0

    def generate_trace_id(self) -> int:
        """The next trace's."""
        planned, self.next_trace_id = self.next_trace_id, 0
        return planned or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """The next span's."""
        planned, self.next_span_id = self.next_span_id, 0
        return planned or super().generate_span_id()
