"""Makes docs/metrics.md of observability/metrics.py: ``python -m tests.docs.metrics_reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from openclaw_actors.observability import metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

_HEAD = """<!-- Made by `python -m tests.docs.metrics_reference` from openclaw_actors/observability/metrics.py. -->
# Metrics

`GET /metrics` tells them in Prometheus's text format, or as OpenMetrics where that is asked for. No label holds the id
of a call, so a host has as many series with a hundred calls as with none. Those whose labels are known are there from
the start, at 0, so that the first event is not lost to `rate()`. Times are seconds, shares are 0 to 1. How to use them:
[Operations](operations.md).

| metric (`openclaw_actors_` and) | type | labels | what it tells |
|---|---|---|---|
"""

_TAIL = """
Beside these come what Prometheus's Python client tells of any process: `process_*` (processor, memory, descriptors,
start), `python_gc_*` and `python_info`.
"""


def instruments() -> list[Counter | Gauge | Histogram]:
    """In the order of the module."""
    return [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]


def _rows() -> Iterator[str]:
    for each in instruments():
        family = each.describe()[0]
        suffix = "_total" if isinstance(each, Counter) else ""
        name = family.name.removeprefix("openclaw_actors_") + suffix
        labels = ", ".join(f"`{label}`" for label in each._labelnames)
        buckets = ""
        if isinstance(each, Histogram):
            buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in each._kwargs['buckets'])}."
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation}{buckets} |\n"


def render() -> str:
    """The page."""
    return _HEAD + "".join(_rows()) + _TAIL


if __name__ == "__main__":
    PAGE.write_text(render())
