"""The dashboards and rules as the tests read them: panels with their queries, names of metrics in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dashboards"
RULES = sorted((FOLDER / "prometheus" / "rules").glob("*.yaml"))
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "grafana").glob("*.json"))}

_NAME = re.compile(r"(?<!job:)\b(?:openclaw_actors|process|python)_[a-z_]+[a-z]\b|\bup(?=\{)")
_RECORDED = re.compile(r"\bjob:[a-z_]+:[a-z_0-9]+\b")
_SUFFIX = re.compile(r"_(?:bucket|count|sum)$")


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: str
    expr: str

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}"

    def filled(self, window: str = "1m", span: str = "1h") -> str:
        """As Grafana sends it, with its variables' values for everything."""
        values = {"$__rate_interval": window, "$__range": span, "$job": ".*", "$instance": ".*"}
        text = self.expr
        for name, value in values.items():
            text = text.replace(name, value)
        return text


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """All of them but the rows' headings, with the board's name."""
    for board, content in BOARDS.items():
        for panel in content["panels"]:
            if panel["type"] != "row":
                yield board, panel


QUERIES = [Query(board, panel["title"], target["expr"]) for board, panel in panels() for target in panel["targets"]]


def rules() -> Iterator[dict[str, Any]]:
    """All recording and alerting rules."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def metrics_in(expr: str) -> set[str]:
    """The names of metrics in PromQL, histograms without their suffixes."""
    return {_SUFFIX.sub("", name) for name in _NAME.findall(expr)}


def recorded_in(expr: str) -> set[str]:
    """The names of recording rules' results in PromQL."""
    return set(_RECORDED.findall(expr))
