"""What dashboards are made of: panels in rows, laid out from left to right, and the JSON that Grafana reads.

The classic schema (version 42) is read by every Grafana from 11 on; 13 converts it when it loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_SCHEMA = 42
_COLUMNS = 24
_HEIGHT = {"stat": 4, "timeseries": 8, "state-timeline": 8, "bargauge": 6}
TAG = "openclaw-actors"
DOCS = "http://127.0.0.1:8000"
"""Where `make docs` and `mkdocs serve` show the documentation; the variable ``docs`` of each dashboard."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Args:
        title: what it shows.
        text: how to read it: what is good, what is not, and where to look next.
        unit: Grafana's id of it.
        queries: PromQL by the legend of what it gives.
        runbook: the section of docs/operations.md for what may be wrong here.
        kind: how it is drawn.
        width: of 24 columns.
        limits: from where on it is yellow, and red; the other way round if they fall.
        stacked: the series add up to something.
        most: the upper end of the axis.
        values: words for numbers.
    """

    title: str
    text: str
    unit: str
    queries: dict[str, str]
    runbook: str = ""
    kind: str = "timeseries"
    width: int = 12
    limits: tuple[float, float] | None = None
    stacked: bool = False
    most: float | None = None
    values: dict[str, tuple[str, str]] = field(default_factory=dict)

    def as_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana has it, at this place."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": _HEIGHT[self.kind]},
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": self._options(),
            "targets": [self._target(n, legend, expr) for n, (legend, expr) in enumerate(self.queries.items())],
            "links": [
                {"title": "Runbook", "url": f"${{docs}}/operations/#{self.runbook}", "targetBlank": True}
                for _ in [0]
                if self.runbook
            ],
        }

    def _target(self, number: int, legend: str, expr: str) -> dict[str, Any]:
        once = self.kind in {"stat", "bargauge"}
        target = {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        return target | ({"instant": True, "range": False} if once else {"range": True})

    def _field(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "min": 0,
            "thresholds": {"mode": "absolute", "steps": self._steps()},
        }
        if self.most is not None:
            defaults["max"] = self.most
        if self.kind == "timeseries":
            defaults["custom"] = {
                "lineWidth": 1,
                "fillOpacity": 40 if self.stacked else 8,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if self.limits else "off"},
            }
        if self.values:
            options = {value: {"text": text, "color": colour} for value, (text, colour) in self.values.items()}
            defaults["mappings"] = [{"type": "value", "options": options}]
        return defaults

    def _steps(self) -> list[dict[str, Any]]:
        if self.limits is None:
            return [{"color": "blue", "value": None}]
        first, second = self.limits
        if second >= first:
            return [
                {"color": "green", "value": None},
                {"color": "yellow", "value": first},
                {"color": "red", "value": second},
            ]
        return [
            {"color": "red", "value": None},
            {"color": "yellow", "value": second},
            {"color": "green", "value": first},
        ]

    def _options(self) -> dict[str, Any]:
        if self.kind == "stat":
            return {"colorMode": "value", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
        if self.kind == "bargauge":
            return {"orientation": "horizontal", "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"]}}
        legend = {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max", "lastNotNull"]}
        if self.kind == "state-timeline":
            return {"mergeValues": True, "showValue": "never", "legend": {"displayMode": "list", "placement": "bottom"}}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def stat(title: str, text: str, unit: str, expr: str, **more: Any) -> Panel:
    """One number, as it is now."""
    return Panel(title, text, unit, {"": expr}, kind="stat", **({"width": 4} | more))


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page.

    Args:
        uid: its address; the JSON file is named by it.
        title: its name.
        text: whom it is for.
        rows: panels under their headings.
    """

    uid: str
    title: str
    text: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    def as_json(self) -> dict[str, Any]:
        """As Grafana imports it."""
        return {
            "id": None,
            "uid": self.uid,
            "title": f"openclaw_actors / {self.title}",
            "description": self.text,
            "tags": [TAG],
            "schemaVersion": _SCHEMA,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": _variables()},
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards",
                    "title": "More",
                    "tags": [TAG],
                    "asDropdown": True,
                    "keepTime": True,
                    "includeVars": True,
                }
            ],
            "panels": list(self._laid_out()),
        }

    def _laid_out(self) -> Iterable[dict[str, Any]]:
        number, y = 0, 0
        for heading, panels in self.rows:
            number += 1
            row = {"id": number, "type": "row", "title": heading, "collapsed": False, "panels": []}
            yield row | {"gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1}}
            y += 1
            x, tallest = 0, 0
            for panel in panels:
                if x + panel.width > _COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                number += 1
                yield panel.as_json(number, x, y)
                x += panel.width
                tallest = max(tallest, _HEIGHT[panel.kind])
            y += tallest


def _variables() -> list[dict[str, Any]]:
    def asked(name: str, label: str, query: str) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"text": ["All"], "value": ["$__all"]},
        }

    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1},
        asked("job", "Job", "label_values(openclaw_actors_build_info, job)"),
        asked("instance", "Host", 'label_values(openclaw_actors_build_info{job=~"$job"}, instance)'),
        {
            "name": "docs",
            "label": "Docs",
            "type": "textbox",
            "query": DOCS,
            "current": {"text": DOCS, "value": DOCS},
            "hide": 2,
        },
    ]
