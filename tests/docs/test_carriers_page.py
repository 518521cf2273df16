"""docs/carriers.md says what is so: settings load, the table is what carriers declare, commands have such options."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from openclaw_actors.cli.main import app
from openclaw_actors.settings.load import load_settings
from openclaw_actors.telephony.carriers import carrier_class
from openclaw_actors.telephony.plivo import xml
from openclaw_actors.telephony.telnyx.errors import REMEDIES
from openclaw_actors.telephony.urls import Urls

PAGE = (Path(__file__).parents[2] / "docs" / "carriers.md").read_text()


def examples(language: str) -> list[str]:
    return [
        re.sub(r"(?m)^ {4}", "", text) if indent else text
        for indent, text in re.findall(rf"(?ms)^( *)```{language}\n(.*?)^\1```", PAGE)
    ]


@pytest.mark.parametrize("text", examples("toml"))
def test_each_example_of_settings_is_valid(text, tmp_path):
    for name in ("tokens", "twilio-token", "telnyx-key", "plivo-token"):
        (tmp_path / name).write_text("a-token")
    path = tmp_path / "host.toml"
    path.write_text(text)
    settings = load_settings(path, {})
    assert settings.carriers
    assert all(carrier in PAGE for carrier in settings.carriers)


def test_the_table_is_what_the_carriers_declare():
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "|" in line]
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 4}
    carriers = [carrier_class(name) for name in ("twilio", "telnyx", "plivo")]

    def says(row: str, word: str = "yes") -> list[bool]:
        return [word in cell for cell in rows[row]]

    assert says("tells that a dialled phone rings") == [each.abilities.tells_ringing for each in carriers]
    assert says("waits for a machine's greeting to end") == [each.abilities.hears_beep for each in carriers]
    assert says("pieces of sound come in order") == [each.framing.in_order for each in carriers]
    taken = says("takes a message itself when this host can't ([Voicemail](voicemail.md))")
    assert taken == [each.abilities.takes_messages for each in carriers]
    signed = says("the stream's upgrade is let in by", "signature")
    assert signed == [each.abilities.signs_upgrades for each in carriers]


def test_the_xml_is_what_plivo_is_answered():
    (shown,) = examples("xml")
    ours = ET.fromstring(xml.stream(Urls("https://voice.example.org", "/voice/plivo"), "…").replace("%E2%80%A6", "…"))
    assert [(each.tag, each.attrib, (each.text or "").strip()) for each in ET.fromstring(shown).iter()] == [
        (each.tag, each.attrib, (each.text or "").strip()) for each in ours.iter()
    ]


def test_the_codes_of_the_page_are_known():
    codes = {int(code) for code in re.findall(r"\b(?:1\d{4}|9\d{4})\b", PAGE)}
    assert codes <= REMEDIES.keys()


def test_each_command_of_the_page_is_one_with_such_options():
    from typer.main import get_command

    commands = get_command(app).commands
    lines = [line.strip() for text in examples("sh") for line in text.replace("\\\n", " ").splitlines()]
    called = [line.split() for line in lines if line.startswith("openclaw-actors ")]
    assert {words[1] for words in called} == {"setup", "serve", "doctor"}
    for _, name, *rest in called:
        known = {option for each in commands[name].params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known, name
