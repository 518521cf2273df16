"""docs/phone.md says what is so: its settings load, its TwiML is ours, and no outcome or code is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from openclaw_actors.cli.main import app
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Numbers, Outbound
from openclaw_actors.store.records import FINAL_STATUSES
from openclaw_actors.telephony.twilio import twiml
from openclaw_actors.telephony.twilio.errors import REMEDIES
from openclaw_actors.telephony.urls import Urls

PAGE = (Path(__file__).parents[2] / "docs" / "phone.md").read_text()
INTERNAL = {20005, 20008, 20404, 13224, 21201, 21202, 21203, 21213, 21215, 21216, 21220}
"""Their words say it all; they come as a problem's detail."""


def examples(language: str) -> list[str]:
    return [
        re.sub(r"(?m)^ {4}", "", text) if indent else text
        for indent, text in re.findall(rf"(?ms)^( *)```{language}\n(.*?)^\1```", PAGE)
    ]


@pytest.mark.parametrize("text", examples("toml"))
def test_each_example_of_settings_is_valid(text, tmp_path):
    (tmp_path / "tokens").write_text("a-token")
    (tmp_path / "twilio-token").write_text("a-token")
    path = tmp_path / "host.toml"
    path.write_text(text)
    load_settings(path, {})


def test_what_the_page_calls_the_limits_are_the_defaults():
    numbers, outbound = Numbers(), Outbound()
    written = [tomllib.loads(text) for text in examples("toml")]
    (limits,) = [each["numbers"] for each in written if "outbound_per_hour" in each.get("numbers", {})]
    for name in ("outbound_per_hour", "minutes_per_call", "minutes_per_day"):
        assert limits[name] == getattr(numbers, name)
    (shown,) = [each["outbound"] for each in written if "outbound" in each]
    assert shown["ring_timeout_s"] == outbound.ring_timeout_s


def test_the_twiml_is_what_twilio_is_answered():
    (shown,) = examples("xml")
    ours = ET.fromstring(twiml.connect_stream(Urls("https://voice.example.org"), "…"))
    assert [(each.tag, each.attrib) for each in ET.fromstring(shown).iter()] == [
        (each.tag, each.attrib) for each in ours.iter()
    ]


def test_each_outcome_and_each_code_is_told():
    assert all(f"`{status}`" in PAGE for status in FINAL_STATUSES)
    codes = {int(code) for code in re.findall(r"\b[1-3]\d{4}\b", PAGE)}
    assert codes >= REMEDIES.keys() - INTERNAL
    assert codes >= {31910, 31920, 31922, 31924, 31930}


def test_each_command_of_the_page_is_one_with_such_options():
    from typer.main import get_command

    commands = get_command(app).commands
    lines = [line.strip() for text in examples("sh") for line in text.replace("\\\n", " ").splitlines()]
    called = [line.split() for line in lines if line.startswith("openclaw-actors ")]
    assert {words[1] for words in called} == {"setup", "serve", "doctor", "dial"}
    for _, name, *rest in called:
        known = {option for each in commands[name].params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known, name
