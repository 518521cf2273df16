"""The examples of docs/api.md run as they stand, against a host that asks for a token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openclaw_actors.testkit.host import serving
from tests.conftest import needs_program

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
TOKEN = "documentation-" * 3
CONFIG = f"""
[server]
port = 0
[auth]
tokens = ["{TOKEN}"]
allow_anonymous_loopback = false
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
"""


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    """The variables that the page asks for; ``openclaw-actors`` and ``python3`` are this environment's."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "openclaw-actors"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openclaw_actors "$@"\n')
    command.chmod(0o755)
    with serving(CONFIG) as url:
        yield {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "OPENCLAW_ACTORS_URL": url,
            "OPENCLAW_ACTORS_TOKEN": TOKEN,
        }


def section(heading: str, language: str) -> str:
    """All examples of a language below a heading, one after another as a reader would run them."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    examples = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert examples
    return "\n".join(examples)


def run(environ, *command: str) -> str:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_examples_run(environ):
    needs_program("curl", "apt install curl")
    said = run(environ, "bash", "-euo", "pipefail", "-c", section("With curl", "bash"))
    for kind in ("call.held", "call.resumed", "call.muted", "call.unmuted", "call.ended"):
        assert f"event: {kind}\n" in said
    assert said.count('"command_id":"the-end"') == 2


def test_the_python_example_runs(environ):
    said = run(environ, sys.executable, "-c", section("From Python", "python"))
    assert said.splitlines()[-2:] == ["agent Your parcel has arrived.", "409 call_ended"]


def test_the_shell_examples_run(environ):
    said = run(environ, "bash", "-euo", "pipefail", "-c", section("From a shell", "bash"))
    assert '"type": "call.ended"' in said


def test_every_action_on_the_page_is_the_clients_too():
    from openclaw_actors import client

    actions = set(re.findall(r"^act (\w+)", PAGE, re.MULTILINE))
    assert actions <= set(dir(client.Client))
    assert {"say", "hold", "resume", "send_dtmf", "play", "mute", "unmute", "send_text", "interrupt"} <= actions
