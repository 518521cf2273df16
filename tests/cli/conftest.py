"""A host in a process of its own, for commands that ask one, and a shell without settings."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from openclaw_actors.cli.main import app
from openclaw_actors.testkit.host import serving

EMBEDDED_TOML = """
[server]
port = 0
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
"""


@pytest.fixture(scope="session")
def host_url():
    """Commands bring their own loop, so the host can't be in this process."""
    with serving(EMBEDDED_TOML) as url:
        yield url


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Run a command in an empty folder, with no variable of ours but those given."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENCLAW_ACTORS_")]:
        monkeypatch.delenv(name)

    def run(*words: str, stdin: str | None = None, **environ: str):
        variables = {f"OPENCLAW_ACTORS_{name}": text for name, text in environ.items()}
        result = CliRunner().invoke(app, words, input=stdin, env=variables)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
