"""What docs/voicemail.md shows is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from openclaw_actors.cli.main import app
from openclaw_actors.observability.metrics import _VOICEMAILS
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Voicemail, VoicemailCause
from openclaw_actors.telephony.voicemail.states import State

PAGE = (Path(__file__).parents[2] / "docs" / "voicemail.md").read_text()


def examples(language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", PAGE)


@pytest.mark.parametrize("text", examples("toml"))
def test_each_example_of_settings_is_valid(text, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(text)
    load_settings(path, {})


def test_what_the_page_calls_the_limits_are_the_defaults():
    (shown,) = [tomllib.loads(text)["voicemail"] for text in examples("toml") if "retry_s" in text]
    own = Voicemail()
    for name in ("call_back_after_s", "attempts", "retry_s", "give_up_h", "answering_machine"):
        assert shown[name] == getattr(own, name)


def test_each_cause_state_and_result_is_told():
    (drawing,) = examples("mermaid")
    assert all(f"| `{cause}` |" in PAGE for cause in get_args(VoicemailCause))
    assert set(re.findall(r"[a-z]+(?= -->)|(?<=--> )[a-z]+", drawing)) == set(get_args(State))
    assert all(f"`{result}`" in PAGE for result in _VOICEMAILS)


def test_each_command_of_the_page_is_one_with_such_options():
    commands = get_command(app).commands
    lines = [line for text in examples("sh") for line in text.splitlines()]
    for line in lines:
        _, name, *rest = line.split()
        command = commands[name]
        if name == "voicemail":
            command, rest = command.commands[rest[0]], rest[1:]
        known = {option for each in command.params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known, line
