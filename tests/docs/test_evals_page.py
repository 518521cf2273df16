"""docs/evals.md says what is so: its scripts load, its commands are known, no key is left out.

Its first script is played in tests/evals/test_shipped.py.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openclaw_actors.cli.main import app
from openclaw_actors.evals.scripts import ACTIONS, CallerTable, Expect, ListenTable, ScriptError, load
from openclaw_actors.settings.load import load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "evals.md").read_text()
TOML = re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE)
SHELL = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)


def test_the_other_scripts_and_settings_are_valid(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(TOML[1])
    (script,) = load([path])
    assert script.needs
    path.write_text(TOML[2])
    assert load_settings(path, {}).agent.openai.base_url


def test_the_error_is_what_such_a_script_is_told(tmp_path):
    text = TOML[0].replace('[[steps]]\nsay = "What can you do for me?"', '[[steps]]\nsay = "x"\nexpect.wrds = ["x"]')
    (tmp_path / "sums.toml").write_text(text)
    with pytest.raises(ScriptError) as caught:
        load([tmp_path / "sums.toml"])
    (shown,) = re.findall(r"(?ms)^```text\n(.*?)^```", PAGE)
    assert str(caught.value.faults[0]).removeprefix(f"{tmp_path}/") == shown.strip()


def test_every_step_key_and_option_is_on_the_page():
    rows = {name for row in re.findall(r"(?m)^\| (`.*?) \|", PAGE) for name in re.findall(r"[\w.]+|--[\w-]+", row)}
    assert set(ACTIONS) <= rows
    assert {field.alias or name for name, field in Expect.model_fields.items()} <= rows
    assert {f"listen.{name}" for name in ListenTable.model_fields} <= rows
    assert "caller.voice" in rows
    assert set(CallerTable.model_fields) == {"voice", "name"}
    shown = CliRunner().invoke(app, ["eval", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    options = set(re.findall(r"--[a-z][\w-]*", shown)) - {"--help"}
    written = set(re.findall(r"--[a-z][\w-]*", PAGE)) - {"--port", "--fail"}
    assert options == written


async def test_the_stand_in_starts_as_the_page_starts_it():
    command = SHELL[-1].split()[1:]
    assert command[:2] == ["-m", "openclaw_actors.testkit.providers.openai"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command[:2],
        "--port",
        "0",
        *command[4:],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert line.startswith(b"OpenAI stub: http://127.0.0.1:")
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 0
