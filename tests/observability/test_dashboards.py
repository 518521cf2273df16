"""The dashboards' own rules: those of Grafana's dashboard-linter, which is no Python, and some of ours."""

from __future__ import annotations

import itertools
import re

import pytest
import yaml

from dashboards.source.__main__ import texts
from openclaw_actors.observability import metrics

from .boards import BOARDS, FOLDER, QUERIES, ROOT, metrics_in, panels, recorded_in, rules

UNUSED = {
    "openclaw_actors_build_info": "read by the variables `job` and `instance`",
    "process_virtual_memory_bytes": "address space is not memory",
    "python_gc_objects_collected_total": "of use to who hunts a leak, by hand",
    "python_gc_objects_uncollectable_total": "the same",
    "python_info": "which interpreter: the same for all hosts of an image",
}
"""Metrics that no panel shows, on purpose."""

PANELS = [pytest.param(board, panel, id=f"{board}: {panel['title']}") for board, panel in panels()]
ANCHORS = {
    re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
    for heading in re.findall(r"(?m)^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text())
}


def families() -> set[str]:
    metrics.initialise()
    told = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.REGISTRY.collect()}
    return told | {"up"}  # Prometheus's own


def test_the_files_are_what_their_source_makes():
    for path, text in texts().items():
        assert path.read_text() == text, f"{path.name}: run python -m dashboards.source"


def test_each_name_in_a_dashboard_or_rule_exists():
    known, recorded = families(), {rule["record"] for rule in rules() if "record" in rule}
    for expr in [query.expr for query in QUERIES] + [rule["expr"] for rule in rules()]:
        assert metrics_in(expr) <= known, expr
        assert recorded_in(expr) <= recorded, expr


def test_each_metric_is_shown_or_is_not_on_purpose():
    shown = set().union(*(metrics_in(query.expr) for query in QUERIES))
    forgotten = families() - shown - UNUSED.keys()
    assert forgotten == set(), "show it in dashboards/source, or say in UNUSED why nobody need see it"
    assert shown & UNUSED.keys() - {"openclaw_actors_build_info"} == set(), "shown by now: strike it off"
    assert UNUSED.keys() <= families()


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_can_be_provisioned(board):
    content = BOARDS[board]
    assert content["schemaVersion"] == 42
    assert content["id"] is None
    assert content["uid"] == f"openclaw-actors-{board}"
    assert content["editable"] is False, "a change in the browser would be lost"
    assert "__inputs" not in content
    assert content["description"]
    variables = {variable["name"]: variable for variable in content["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for name in ("job", "instance"):
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["refresh"] == 2, "on a change of the time range"
        assert variables[name]["query"]["query"] == variables[name]["definition"]
    assert 'job=~"$job"' in variables["instance"]["definition"]


def test_no_two_dashboards_share_an_address():
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 6


@pytest.mark.parametrize("board", BOARDS)
def test_no_two_panels_lie_on_each_other_or_have_one_id(board):
    places = [panel["gridPos"] for panel in BOARDS[board]["panels"]]
    for place in places:
        assert place["x"] + place["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    ids = [panel["id"] for panel in BOARDS[board]["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows(board, panel):
    assert panel["title"]
    assert panel["description"].endswith("."), "how to read it, in a sentence"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
    for link in panel["links"]:
        page, _, anchor = link["url"].partition("#")
        assert page == "${docs}/operations/"
        assert anchor in ANCHORS, f"docs/operations.md has no section {anchor}"


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_query_asks_of_the_chosen_hosts_and_rates_by_grafanas_interval(query):
    for selector in re.findall(r"(?<!job:)\b(?:openclaw_actors_|process_|python_)\w+(\{[^}]*\})?", query.expr):
        assert 'job=~"$job", instance=~"$instance"' in selector, query.expr
    for window in re.findall(r"\[([^\]]+)\]", query.expr):
        assert window in {"$__rate_interval", "$__range", "1h"}, query.expr
    for counter in re.findall(r"(\w+)\((?=openclaw_actors_\w+_total\{)", query.expr):
        assert counter in {"rate", "increase"}, "a counter as such says nothing"


def test_titles_are_not_used_twice_in_a_dashboard():
    for board, content in BOARDS.items():
        titles = [panel["title"] for panel in content["panels"]]
        assert len(titles) == len(set(titles)), board


def test_the_provisioning_files_point_at_each_other():
    sources = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    assert sources["datasources"][0]["type"] == "prometheus"
    scraped = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert sources["datasources"][0]["jsonData"]["timeInterval"] == scraped
    boards = yaml.safe_load((FOLDER / "grafana/provisioning/dashboards/openclaw-actors.yaml").read_text())
    assert boards["providers"][0]["type"] == "file"
