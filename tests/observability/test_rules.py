"""Rules and alerts: Prometheus's own tool reads them and tries each, and each has its section in the runbook."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.conftest import needs_program

from .boards import FOLDER, QUERIES, ROOT, RULES, rules

PROMETHEUS = FOLDER / "prometheus"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
ALERTS = [rule for rule in rules() if "alert" in rule]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()


def promtool(*arguments, text=""):
    program = needs_program("promtool", "apt install prometheus")
    return subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_configuration_and_its_rules_are_well():
    checked = promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_where_it_should_and_nowhere_else(path):
    tried = promtool("test", "rules", path)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_no_alert_goes_untried():
    tried = {
        case["alertname"]
        for path in TESTS
        for group in yaml.safe_load(path.read_text())["tests"]
        for case in group["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert tried == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(alert):
    assert alert["labels"]["severity"] in {"warning", "critical"}
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["description"].endswith(".")
    section = re.fullmatch(r"\{\{ \$externalLabels\.docs \}\}/operations/#(\w+)", notes["runbook_url"])[1]
    name = alert["alert"].removesuffix("Fast")
    assert section == name.lower()
    text = re.search(rf"(?ms)^### {name}$(.*?)(?=^##|\Z)", RUNBOOK)
    assert text, f"docs/operations.md has no section {name}"
    for part in ("**Means**", "**Look**", "**Do**"):
        assert part in text[1], f"{name}: {part}"


def test_the_runbook_has_no_section_of_an_alert_that_is_gone():
    sections = set(re.findall(r"(?m)^### (\w+)$", RUNBOOK.partition("## Alerts")[2]))
    assert sections == {alert["alert"].removesuffix("Fast") for alert in ALERTS}


def test_prometheus_can_read_every_query_of_the_dashboards_and_of_the_runbook(tmp_path):
    asked = [query.filled() for query in QUERIES] + re.findall(r"(?ms)^ *```promql\n(.*?)^ *```", RUNBOOK)
    assert len(asked) > 100
    group = {"name": "read", "rules": [{"record": f"read:query{n}", "expr": expr} for n, expr in enumerate(asked)]}
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [group]}))
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
