"""The dashboards' main panels, drawn from what Prometheus has kept: titles, queries and limits are the panels' own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboards.source.engines import ENGINES
from dashboards.source.overview import OVERVIEW
from dashboards.source.panels import Dashboard, Panel
from dashboards.source.quality import QUALITY
from dashboards.source.stages import STAGES_AND_ACTORS
from tests.observability.boards import Query
from tests.observability.prometheus import Prometheus

if TYPE_CHECKING:
    from tests.load.observe import Seen

_PAGES: dict[str, tuple[Dashboard, tuple[str, ...]]] = {
    "overview": (
        OVERVIEW,
        (
            "Calls up",
            "Calls refused",
            "Calls begun and ended a minute",
            "Set-up of a call",
            "Turns later than 1.5 s",
            "Alerts that fire",
        ),
    ),
    "quality": (
        QUALITY,
        (
            "End of speech to voice",
            "Where a turn's time goes, p50",
            "Where a turn's time goes, p95",
            "Barge-in: onset to silence",
            "Line quality (MOS estimate)",
            "Packets lost",
        ),
    ),
    "stages": (
        STAGES_AND_ACTORS,
        ("Restarts", "Down time", "Deepest mailbox", "Lateness of the event loop"),
    ),
    "engines": (
        ENGINES,
        ("Asked to answered, p95", "Failures", "Tokens a minute", "Characters a minute"),
    ),
}
_STEP_S = 1.0
_WINDOW = "20s"
_UNITS = {"s": "s", "cpm": "a minute", "percentunit": "share", "pps": "packets a second", "short": ""}
_SHADES = ("#f2495c", "#ff9830", "#b877d9", "#5794f2")


async def draw(prometheus: Prometheus, began: float, seen: Sequence[Seen], folder: Path) -> None:
    """One picture for each dashboard, from ``began`` (Unix time) to now."""
    end = seen[-1].ended + 30
    mpl.rcParams.update(
        {
            "font.size": 8,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "svg.hashsalt": "openclaw-actors",
            "svg.fonttype": "none",
        }
    )
    for name, (board, titles) in _PAGES.items():
        panels = [next(panel for _, row in board.rows for panel in row if panel.title == title) for title in titles]
        rows = math.ceil(len(panels) / 2)
        figure = Figure(figsize=(11, 2.5 * rows + 0.4), layout="constrained")
        for axes, panel in zip(figure.subplots(rows, 2).flat, panels, strict=True):
            await _panel(axes, panel, prometheus, (began, end), seen)
        legend = "   ".join(f"{chr(ord('A') + n)}: {each.incident.name}" for n, each in enumerate(seen))
        figure.suptitle(f"{board.title}   ({legend})", fontsize=9)
        figure.savefig(folder / f"observe-{name}.svg", metadata={"Date": None})


async def _panel(
    axes: Axes, panel: Panel, prometheus: Prometheus, span: tuple[float, float], seen: Sequence[Seen]
) -> None:
    began, end = span
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for legend, expr in panel.queries.items():
        asked = Query("", "", expr).filled(window=_WINDOW)
        for series in await prometheus.query_range(asked, began, end, _STEP_S):
            values = [(at - began, float(value)) for at, value in series["values"]]
            lines[_named(legend, series["metric"])] = ([at for at, _ in values], [value for _, value in values])
    if len(lines) > 3:  # those that say nothing all the while would only fill the legend
        lines = {label: line for label, line in lines.items() if any(value > 0 for value in line[1])}
    if panel.stacked and lines:
        _stack(axes, lines)
    else:
        for label, (times, values) in sorted(lines.items()):
            axes.plot(times, values, label=label, linewidth=1, marker="." if len(times) < 5 else "")
    for bound, colour in zip(panel.limits or (), ("#e0b400", "#e02f44"), strict=False):
        if any(value >= bound / 2 for _, values in lines.values() for value in values if math.isfinite(value)):
            axes.axhline(bound, color=colour, linewidth=0.8, linestyle="--")
    for number, each in enumerate(seen):
        axes.axvspan(
            each.began - began, each.ended - began, color=_SHADES[number % len(_SHADES)], alpha=0.09, linewidth=0
        )
        axes.text(
            (each.began + each.ended) / 2 - began, 0.97, chr(ord("A") + number), transform=axes.get_xaxis_transform(),
            ha="center", va="top", fontsize=7, alpha=0.7,
        )  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=9)
    axes.set_xlim(0, end - began)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(_UNITS.get(panel.unit, panel.unit))
    axes.set_xlabel("s")
    if lines:
        axes.legend(fontsize=6, loc="upper left", framealpha=0.6, ncols=1 + (len(lines) > 3))


def _stack(axes: Axes, lines: dict[str, tuple[list[float], list[float]]]) -> None:
    times = sorted({at for known, _ in lines.values() for at in known})
    stacked = []
    for known, values in lines.values():
        there = dict(zip(known, values, strict=True))
        stacked.append([value if math.isfinite(value := there.get(at, 0.0)) else 0.0 for at in times])
    axes.stackplot(times, *stacked, labels=list(lines), alpha=0.6, linewidth=0)


def _named(legend: str, labels: dict[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: str(labels.get(found[1], "")), legend)
