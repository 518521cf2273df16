"""The instruments follow Prometheus's conventions and the promise of names."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client import generate_latest

from openclaw_actors.observability import metrics


def exposed():
    metrics.initialise()
    return generate_latest(metrics.REGISTRY)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_nothing_to_say():
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=exposed(), capture_output=True, timeout=30, check=False
    )
    ours = [line for line in (checked.stdout + checked.stderr).decode().splitlines() if "openclaw" in line]
    assert ours == []


def test_every_family_has_our_prefix_or_is_the_process():
    names = {family.name for family in metrics.REGISTRY.collect()}
    strangers = {name for name in names if not name.startswith(("openclaw_actors_", "process_", "python_"))}
    assert strangers == set()


def test_bounded_labels_are_there_before_anything_has_happened():
    text = exposed().decode()
    assert 'openclaw_actors_stage_restarts_total{reason="slow",stage="stt"} 0.0' in text
    assert 'openclaw_actors_calls_active{direction="inbound",transport="webrtc"}' in text
    assert "call_" + "01" not in text, "a call id in a label"
