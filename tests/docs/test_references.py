"""The references name all that there is: each setting with its default, each command with its options."""

from __future__ import annotations

import re

import pytest
from typer.main import get_command

from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.cli.main import app
from openclaw_actors.observability import metrics
from openclaw_actors.settings.keys import all_keys, dotted, is_section, type_at
from openclaw_actors.settings.sections import Settings
from tests.docs import commands_reference, configuration_reference
from tests.docs.examples import pages


def section(page: str, heading: str) -> str:
    found = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page)
    assert found, f"there is no section {heading}"
    return found[1]


@pytest.fixture(scope="module")
def settings_page() -> str:
    return configuration_reference.render()


@pytest.mark.parametrize("key", list(all_keys()), ids=dotted)
def test_each_setting_is_on_the_page_with_its_type(key, settings_page):
    if is_section(type_at(key)):
        assert section(settings_page, dotted(key))
        return
    row = re.search(rf"(?m)^\| `{key[-1]}` \| (.+?) \| (.*?) \| (.*) \|$", section(settings_page, dotted(key[:-1])))
    assert row, dotted(key)
    assert row[1]


def test_what_default_toml_says_of_a_key_is_on_the_page(settings_page):
    (row,) = [line for line in settings_page.splitlines() if line.startswith("| `udp_port_range` ")]
    assert "for a firewall" in row
    (row,) = [line for line in settings_page.splitlines() if line.startswith("| `attempts` ") and "1 to 20" in line]
    assert "spread over a day" in row


def test_each_command_is_on_the_page_with_its_options():
    page = commands_reference.render()
    for name, command in commands_reference.all_commands(get_command(app)):
        text = section(page, name)
        for each in command.params:
            assert all(f"`{option}`" in text for option in each.opts if option.startswith("-"))


SETTING = re.compile(rf"`\[?((?:{'|'.join(Settings.model_fields)})\.[a-z_.]+?)\]?(?: = [^`]*)?`")
METRIC = re.compile(r"\bopenclaw_actors_[a-z_]+\b(?!:)")  # with a colon, a rule records it


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_each_setting_and_metric_that_a_page_names_is_one(path):
    text = path.read_text()
    for name in {*SETTING.findall(text)}:
        if name.endswith(".py") or name in EVENT_TYPES:
            continue
        key = tuple(name.removesuffix("_file").split("."))
        assert not is_unknown(key), f"there is no setting {name}"
    known = {
        name for family in metrics.REGISTRY.collect() for name in (family.name, *(each.name for each in family.samples))
    }
    for name in {*METRIC.findall(text)}:
        assert {name, re.sub(r"_(total|bucket|sum|count)$", "", name)} & known, f"there is no metric {name}"


def is_unknown(key: tuple[str, ...]) -> bool:
    try:
        type_at(key)
    except KeyError:
        return True
    return False
