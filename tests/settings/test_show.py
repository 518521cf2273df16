"""What is shown of the settings is true, complete, and holds no secret."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.settings import Settings
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Agent
from openclaw_actors.settings.show import as_toml, effective

CONFIG = Path(__file__).parents[2] / "config"

SECRETS = {
    "AUTH__TOKENS": '["hush-1", "hush-2"]',
    "AUTH__JOIN_SECRET": "hush-3-of-the-32-bytes-that-it-needs",
    "AUTH__SCOPED_TOKENS": '[{name = "a", token = "hush-11", scopes = ["read"]}]',
    "WEBRTC__TURN_SECRET": "hush-4",
    "WEBRTC__ICE_SERVERS": '[{urls = ["turn:t:1"], username = "u", credential = "hush-5"}]',
    "STT__OPENAI__API_KEY": "hush-6",
    "AGENT__OPENCLAW__TOKEN": "hush-7",
    "AGENT__OPENAI__API_KEY": "hush-8",
    "TTS__OPENAI__API_KEY": "hush-9",
    "WEBHOOKS__SECRET": "whsec_" + "hush" * 10,
    "TTS__OPENAI__BASE_URL": "http://user:hush-10@tts.example/v1",
}


def test_secrets_are_hidden_wherever_they_stand():
    settings = load_settings(None, {f"OPENCLAW_ACTORS_{name}": text for name, text in SECRETS.items()})
    shown = as_toml(effective(settings))
    assert "hush" not in shown
    assert shown.count("********") == 12
    assert effective(settings)["auth"]["tokens"] == ["********", "********"]


def test_a_secret_that_is_not_set_is_shown_as_empty():
    assert effective(Settings())["agent"]["openai"]["api_key"] == ""


def test_what_is_shown_is_toml_that_reads_back_the_same():
    shown = effective(Settings())
    assert tomllib.loads(as_toml(shown)) == shown


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_being_shown(text):
    shown = as_toml(effective(Settings(agent=Agent(greeting=text))))
    assert tomllib.loads(shown)["agent"]["greeting"] == text


def test_the_default_file_names_every_key_with_its_true_default():
    text = (CONFIG / "default.toml").read_text()
    uncommented = re.sub(r"(?m)^# ([a-z_0-9]+ = )", r"\1", text)
    assert tomllib.loads(uncommented) == effective(Settings())


@pytest.mark.parametrize("name", ["default.toml", "embedded.toml"])
def test_the_files_that_come_along_are_valid(name):
    load_settings(CONFIG / name, {})


def test_the_embedded_file_names_engines_that_need_no_network():
    settings = load_settings(CONFIG / "embedded.toml", {})
    engines = (settings.stt.engines, settings.agent.engines, settings.tts.engines)
    assert engines == (("pocketsphinx",), ("parrot",), ("espeak-ng",))
