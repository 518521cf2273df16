"""What the pages on logs, traces, admission and drain say is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from openclaw_actors.actors import admission
from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.actors.switchboard import LONGEST_END_S
from openclaw_actors.host import GOODBYE_S, LAST_WORD_S
from openclaw_actors.observability import metrics
from openclaw_actors.observability.masking import mask_numbers
from openclaw_actors.observability.traces import SPANS
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Settings

DOCS = Path(__file__).parents[2] / "docs"
LOGS = (DOCS / "logs-and-traces.md").read_text()
ADMISSION = (DOCS / "admission-and-drain.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"(?ms)^```toml\n(.*?)^```", LOGS + ADMISSION))
def test_each_example_of_settings_is_valid(text, tmp_path):
    (tmp_path / "host.toml").write_text(text)
    load_settings(tmp_path / "host.toml", {})


def test_the_line_is_one_as_logs_write_it():
    (line,) = re.findall(r"(?ms)^```json\n(.*?)^```", LOGS)
    assert {"call_id", "stage", "incarnation", "event", "level", "timestamp"} <= json.loads(line).keys()
    assert mask_numbers("+491512345667") in LOGS


def test_every_span_is_described():
    rows = re.findall(r"(?m)^\| `(\w+)` \|", LOGS.partition("## Traces")[2])
    assert rows == ["turn", *(name for name, _, _ in SPANS)]


def test_the_figures_are_those_of_the_code():
    defaults, seconds = Settings(), {5: "five", 10: "ten", 60: "a minute"}
    for said in (
        f"begins at {admission.START}",
        f"loop {admission.STRAINED_LAG_S * 1000:.0f} ms late, or a job waiting for {admission.STRAINED_WAIT_S:.0f} s",
        f"in each of {seconds[admission.STRAINED_FOR_S]} seconds",
        f"within {admission.CALM_LAG_S * 1000:.0f} ms and jobs within {admission.CALM_WAIT_S} s",
        f"for {seconds[admission.CALM_FOR_S]} seconds",
        f"above {admission.MOST}",
        f"`server.drain_timeout_s` ({defaults.server.drain_timeout_s:.0f})",
        f"`supervision.reap_after_s` ({defaults.supervision.reap_after_s:.0f})",
        f"has not ended after {LONGEST_END_S:.0f} s",
        f"That takes {seconds[GOODBYE_S]} seconds at most",
        f"{seconds[LAST_WORD_S]} before",
    ):
        assert said in ADMISSION, said
    assert defaults.server.max_calls == 0


def test_events_and_metrics_that_are_named_exist():
    assert set(re.findall(r"`(node\.\w+|call\.\w+)`", ADMISSION)) <= EVENT_TYPES.keys()
    known = {f"{sample.name}" for family in metrics.REGISTRY.collect() for sample in family.samples}
    known |= {f"{family.name}_total" for family in metrics.REGISTRY.collect()}
    for name in re.findall(r"`(openclaw_actors_\w+)", ADMISSION):
        assert name in known, name
