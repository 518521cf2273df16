"""docs/cluster.md: its figures are those of the code, its unit is one, its metrics are found."""

from __future__ import annotations

import re
import subprocess

import yaml

from openclaw_actors.cluster.engine_maker import MOST_ACTORS
from openclaw_actors.cluster.engine_service import LEASE_S
from openclaw_actors.settings.sections import Cluster, Supervision
from tests.cluster.fleet import PLACES, ZONES
from tests.cluster.simulation import HEADINGS, MEAN_S, SCENARIOS
from tests.conftest import needs_program
from tests.docs.examples import DOCS, all_examples

PAGE = (DOCS / "cluster.md").read_text()
WORDS = " ".join(PAGE.split())


def examples(language):
    return [each for each in all_examples(language) if each.page == "cluster.md"]


def test_the_figures_are_those_of_the_code():
    numbers = {8: "eight", 60.0: "a minute", 180.0: "3 minutes", 3: "three"}
    for said in (
        f"A host asks at most {numbers[MOST_ACTORS]}",
        f"the old ones end {numbers[LEASE_S]} after the last host",
        f"3,000 hosts in {numbers[len(ZONES)]} zones, half with {PLACES[0]} places and half with {PLACES[1]}",
        f"100,000 calls of {numbers[MEAN_S]} on average",
        "`supervision.stt_final_s`",
    ):
        assert said in WORDS, said
    assert hasattr(Supervision(), "stt_final_s")
    assert Cluster().shared[0] in PAGE


def test_the_table_is_of_the_simulation_s_rows_and_columns():
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 10]
    assert tuple(cell.strip() for cell in rows[0]) == HEADINGS
    assert [row[0].strip() for row in rows[2:]] == list(SCENARIOS)


def test_systemd_finds_no_fault_with_the_head_s_unit(tmp_path):
    analyze = needs_program("systemd-analyze", "apt install systemd")
    (unit,) = examples("ini")
    path = tmp_path / "ray-head.service"
    assert unit.title.endswith(path.name)
    path.write_text(
        re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.text).replace("User=openclaw", "User=root")
    )
    found = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    ours = [line for line in (found.stdout + found.stderr).splitlines() if path.stem in line]
    assert ours == []


def test_prometheus_finds_hosts_where_a_front_lists_them(tmp_path):
    promtool = needs_program("promtool", "apt install prometheus")
    (config,) = examples("yaml")
    (job,) = yaml.safe_load(config.text)["scrape_configs"]
    assert job["http_sd_configs"][0]["url"].endswith("/v1/nodes/prometheus")
    (tmp_path / "prometheus.yml").write_text(config.text)
    checked = subprocess.run(
        [promtool, "check", "config", "--syntax-only", tmp_path / "prometheus.yml"], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
