"""The rows of ``tests.load.density`` as a picture: how turns, interruptions and a call's cost change with the calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Row = Mapping[str, Any]
"""``Level.as_dict()``."""

_COLOURS = {"ours": "#2563eb", "Pipecat": "#ea580c", "FastRTC": "#16a34a"}


def draw(rows: Sequence[Row], turn_limit_ms: float, barge_in_limit_ms: float, path: Path) -> None:
    """Write an SVG; rows that are void, or whose calls were not all answered, are left out.

    Args:
        rows: any hosts, any order.
        turn_limit_ms: up to which our turns' p95 counts as held.
        barge_in_limit_ms: likewise.
    """
    mpl.rcParams.update({"font.size": 8, "axes.grid": True, "grid.alpha": 0.25, "svg.fonttype": "none"})
    mpl.rcParams["svg.hashsalt"] = "openclaw-actors"
    whole = [row for row in rows if not row["void"] and not row["unanswered"] and not row["dropped"]]
    figure = Figure(figsize=(10, 3), layout="constrained")
    turn, barge_in, cost = figure.subplots(1, 3)
    _spread(turn, whole, "turn_ms", "End of speech to voice, ms", turn_limit_ms)
    _spread(barge_in, whole, "barge_in_ms", "Barge-in to silence, ms", barge_in_limit_ms)
    for host, colour in _COLOURS.items():
        _line(cost, whole, host, lambda row: row["cpu_percent_per_call"], color=colour, label=host)
    _finish(cost, "Processor per call, % of a core")
    figure.savefig(path, metadata={"Date": None})


def _spread(axes: Axes, rows: Sequence[Row], name: str, title: str, limit: float) -> None:
    for host, colour in _COLOURS.items():
        _line(axes, rows, host, lambda row: row[name]["p50"], color=colour, label=f"{host}, p50")
        _line(axes, rows, host, lambda row: row[name]["p95"], color=colour, linestyle=":", label=f"{host}, p95")
    axes.axhline(limit, color="#6b7280", linewidth=0.8, linestyle="--", label="limit of p95")
    _finish(axes, title)


def _line(axes: Axes, rows: Sequence[Row], host: str, value: Callable[[Row], float], **look: Any) -> None:
    own = sorted((row for row in rows if row["host"] == host), key=lambda row: row["calls"])
    if own:
        axes.plot([row["calls"] for row in own], [value(row) for row in own], marker=".", linewidth=1, **look)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("calls at once")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=6, framealpha=0.6)
