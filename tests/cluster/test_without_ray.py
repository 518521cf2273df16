"""Where the extra is not installed, whoever asks for a cluster is told what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from openclaw_actors.cluster import ray_runtime
from openclaw_actors.errors import MissingExtraError
from openclaw_actors.settings.sections import Cluster

HIDDEN = "import sys; sys.modules['ray'] = None; from openclaw_actors.cli.main import main; sys.argv[1:] = {!r}; main()"


def test_serve_with_workers_says_what_to_install(tmp_path):
    command = ["serve", "--workers", "2", "--port", "0"]
    run = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(command)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert run.returncode == 2
    assert "pip install 'openclaw_actors[cluster]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_all_else_does_without(tmp_path):
    command = ["config", "check"]
    run = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(command)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr


def test_the_error_is_one_of_settings(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as error:
        ray_runtime.begin(Cluster(workers=2))
    assert error.value.extra == "cluster"
