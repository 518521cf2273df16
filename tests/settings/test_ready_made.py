"""The ready-made settings of config/ are good, with their secrets in place; and say what is missing without them."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openclaw_actors.cli.main import app

CONFIG = Path(__file__).parents[2] / "config"
READY_MADE = sorted(path.name for path in CONFIG.glob("*.toml"))
PIN = "314159"


@pytest.fixture
def put_in_place(tmp_path, monkeypatch):
    """A copy of the file, with or without its secrets, and no other settings about."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENCLAW_ACTORS_")]:
        monkeypatch.delenv(name)

    def put(name: str, *, secrets: bool = True) -> Path:
        path = tmp_path / name
        text = (CONFIG / name).read_text()
        path.write_text(text)
        for named in re.findall(r'(?m)^\w+_file = "([^"]+)"', text) if secrets else ():
            (tmp_path / named).parent.mkdir(exist_ok=True)
            (tmp_path / named).write_text(PIN if named.endswith("pin") else "s" * 32)
        return path

    return put


def test_there_is_one_for_each_common_wish():
    assert READY_MADE == ["default.toml", "embedded.toml", "local.toml", "openai.toml", "openclaw.toml", "phone.toml"]


@pytest.mark.parametrize("name", READY_MADE)
def test_it_is_good(name, put_in_place):
    path = put_in_place(name)
    done = CliRunner().invoke(app, ["config", "check", "--config", str(path)])
    assert (done.exit_code, done.stdout) == (0, f"{path}: good\n")


@pytest.mark.parametrize("name", ["openai.toml", "openclaw.toml", "phone.toml"])
def test_without_its_secrets_it_says_which_files_to_make(name, put_in_place):
    done = CliRunner().invoke(app, ["config", "check", "--config", str(put_in_place(name, secrets=False))])
    assert done.exit_code == 2
    for named in re.findall(r'(?m)^\w+_file = "([^"]+)"', (CONFIG / name).read_text()):
        assert named in done.stderr.replace("\n", "")


@pytest.mark.parametrize("name", [name for name in READY_MADE if name not in {"default.toml", "embedded.toml"}])
def test_each_list_of_engines_ends_in_one_that_always_serves(name):
    settings = tomllib.loads((CONFIG / name).read_text())
    last = {stage: settings[stage]["engines"][-1] for stage in ("stt", "agent", "tts")}
    assert last == {"stt": "pocketsphinx", "agent": "parrot", "tts": "espeak-ng"}
