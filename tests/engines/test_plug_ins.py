"""Engines of other packages: found when installed, given their settings, and looked over before a call needs them."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openclaw_actors.cli.main import app
from openclaw_actors.cli.voice_lists import record_voice
from openclaw_actors.engines.catalogue import build_catalogue
from openclaw_actors.engines.protocols import Voice
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.show import as_toml, effective
from openclaw_actors.testkit.conformance import TtsConformance
from tests.conftest import needs_program

PAGE = (Path(__file__).parents[2] / "docs" / "engines" / "plug-ins.md").read_text()

ECHO = """
    from openclaw_actors.engines.protocols import Transcript

    class Echo:
        name = "echo-ear"
        partial_every_s = 0.0

        def __init__(self, settings):
            unknown = settings.keys() - {"words", "api_key", "depth"}
            if unknown:
                raise ValueError(f"there is no {unknown.pop()!r}")
            self.settings = settings

        async def open(self): ...
        async def aclose(self): ...

        async def transcribe(self, pcm, *, language="", final=True):
            return Transcript(self.settings["words"])
"""


def from_page(title: str) -> str:
    """The example of that name."""
    (found,) = re.findall(rf'```\w+ title="{re.escape(title)}"\n(.*?)```', PAGE, re.DOTALL)
    return found


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package where Python finds it, as pip does: its module, and its dist-info with entry points."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(package: str, code: str, entry_points: dict[str, dict[str, str]]) -> None:
        module = package.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(code))
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = [
            "\n".join([f"[openclaw_actors.{kind}]", *(f"{name} = {where}" for name, where in names.items())])
            for kind, names in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
        # A path that has not been looked at yet, as in a new process.
        monkeypatch.setattr(sys, "path", [*sys.path, str(site / package)])
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


@pytest.fixture
def echo(install):
    install("echo-package", ECHO, {"stt": {"echo-ear": "echo_package:Echo"}})


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def stt(settings):
    return make_engine("stt", settings.stt.engines[0], settings)


HEARS = """
    [stt]
    engines = ["echo-ear", "pocketsphinx"]
    [stt.echo_ear]
    words = "hello"
    api_key = "sk-very-secret"
"""


async def test_an_installed_engine_is_made_with_its_own_section(echo, config):
    engine = stt(load_settings(config(HEARS), {}))
    assert engine.settings == {"words": "hello", "api_key": "sk-very-secret"}
    assert (await engine.transcribe(b"")).text == "hello"


async def test_it_serves_calls_as_the_built_in_ones_do(echo, config):
    settings = load_settings(
        config('[stt]\nengines = ["echo-ear"]\n[agent]\nengines = ["parrot"]\n[tts]\nengines = ["espeak-ng"]'), {}
    )
    catalogue = build_catalogue(settings)
    try:
        await catalogue.start()
        assert catalogue.serving("stt").name == "echo-ear"
    finally:
        await catalogue.aclose()


def test_one_without_a_section_has_no_settings(echo, config):
    assert stt(load_settings(config('[stt]\nengines = ["echo-ear"]'), {})).settings == {}


def test_the_environment_sets_its_keys_too(echo, config, tmp_path):
    (tmp_path / "key").write_text("sk-from-a-file\n")
    environ = {
        "OPENCLAW_ACTORS_STT__ECHO_EAR__WORDS": "good bye",
        "OPENCLAW_ACTORS_STT__ECHO_EAR__DEPTH": "3",
    }
    path = config(HEARS.replace("api_key =", "api_key_file =").replace("sk-very-secret", "key"))
    assert stt(load_settings(path, environ)).settings == {"words": "good bye", "api_key": "sk-from-a-file", "depth": 3}


def test_what_is_shown_of_it_holds_no_secret(echo, config):
    shown = as_toml(effective(load_settings(config(HEARS), {})))
    assert '[stt.echo_ear]\nwords = "hello"\napi_key = "********"' in shown
    assert "very-secret" not in shown


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_section_of_an_engine_that_is_not_installed_is_a_fault_as_before(config):
    with pytest.raises(SettingsError, match=r"stt\.echo_ear: there is no such setting"):
        load_settings(config(HEARS), {})
    with pytest.raises(SettingsError, match=r"did you mean stt\.openai\?"):
        load_settings(config("[stt.opena]\nmodel = 'x'"), {})


def test_a_section_must_be_one_of_its_own_kind(echo, config):
    with pytest.raises(SettingsError, match=r"tts\.echo_ear: there is no such setting"):
        load_settings(config("[tts.echo_ear]\nwords = 'x'"), {})


def test_a_section_is_a_table(echo, config):
    with pytest.raises(SettingsError, match=r"stt\.echo_ear: it must be a table"):
        load_settings(config("[stt]\necho_ear = 5"), {})


def test_an_unknown_engine_is_told_which_are_known_plug_ins_among_them(echo, config):
    with pytest.raises(SettingsError, match=r"no engine 'echo'; known are .*pocketsphinx, echo-ear"):
        stt(load_settings(config('[stt]\nengines = ["echo"]'), {}))


def test_settings_that_it_does_not_take_are_its_own_words(echo, config):
    path = config('[stt]\nengines = ["echo-ear"]\n[stt.echo_ear]\nwrods = "x"')
    with pytest.raises(SettingsError, match=r"echo-package 1\.0: it does not take \[stt\.echo_ear\].*no 'wrods'"):
        stt(load_settings(path, {}))


@pytest.mark.parametrize(
    ("code", "where", "what"),
    [
        ("import not_there_at_all", "broken:Engine", "can't be imported: ModuleNotFoundError"),
        ("x = 1", "broken:Engine", "can't be imported: AttributeError"),
        ("raise RuntimeError('no GPU')", "broken:Engine", "can't be imported: RuntimeError: no GPU"),
        (ECHO.replace("async def aclose(self): ...", ""), "broken:Echo", "it lacks aclose"),
        (ECHO.replace("def transcribe", "def hear"), "broken:Echo", "it lacks transcribe"),
        (ECHO.replace('name = "echo-ear"', 'name = "other"'), "broken:Echo", "calls itself 'other'"),
    ],
)
def test_one_that_is_no_engine_says_what_is_wrong_and_whose_it_is(install, config, code, where, what):
    install("broken", code, {"stt": {"echo-ear": where}})
    with pytest.raises(SettingsError) as caught:
        stt(load_settings(config('[stt]\nengines = ["echo-ear"]'), {}))
    assert "the package broken 1.0" in caught.value.remedy
    assert what in caught.value.remedy


def test_two_packages_with_one_name_are_both_named(install, config):
    install("first-ear", ECHO, {"stt": {"echo-ear": "first_ear:Echo"}})
    install("second-ear", ECHO, {"stt": {"echo-ear": "second_ear:Echo"}})
    with pytest.raises(SettingsError, match=r"first-ear 1\.0.*second-ear 1\.0|second-ear 1\.0.*first-ear 1\.0"):
        stt(load_settings(config('[stt]\nengines = ["echo-ear"]'), {}))


def test_a_built_in_engine_keeps_its_name(install, config):
    install("usurper", ECHO, {"stt": {"pocketsphinx": "usurper:Echo"}})
    engine = stt(load_settings(config('[stt]\nengines = ["pocketsphinx"]'), {}))
    assert type(engine).__module__.startswith("openclaw_actors.")


def test_nothing_of_it_is_imported_until_it_is_named(install, config):
    install("eager", "raise RuntimeError('imported')", {"stt": {"echo-ear": "eager:Engine"}})
    settings = load_settings(config("[stt.echo_ear]\nx = 1"), {})
    assert stt(settings).name == "faster-whisper"


# --- the page's example -----------------------------------------------------------------------------------------------


@pytest.fixture
def flite(install):
    needs_program("flite", "apt install flite")
    entry = re.search(r'flite = "(.*)"', from_page("pyproject.toml")).group(1)
    install("openclaw-flite", from_page("openclaw_flite.py"), {"tts": {"flite": entry}})


async def test_the_voice_of_the_page_speaks(flite, config):
    settings = load_settings(config(from_page("config.toml")), {})
    engine = make_engine("tts", "flite", settings)
    await engine.open()
    sound = b"".join([piece async for piece in engine.speak("Good morning.")])
    assert len(sound) > engine.sample_rate
    assert engine.cache_key() == "flite 1 awb"
    assert engine.cache_key(Voice("slt")) == "flite 1 slt"


def test_its_voices_are_listed_and_heard_from_the_command_line(flite, config, tmp_path):
    path = config(from_page("config.toml"))
    listed = CliRunner().invoke(app, ["voices", "--engine", "flite", "--json", "--config", str(path)])
    assert listed.exit_code == 0, listed.output
    assert {"name": "slt", "language": "en-US", "about": ""} in json.loads(listed.output)["voices"]
    assert record_voice(load_settings(path, {}), "flite", "slt", "Good morning.", tmp_path / "out.wav") > 0.5


def test_an_unknown_voice_engine_is_told_which_there_are(flite, config):
    answer = CliRunner().invoke(app, ["voices", "--engine", "flight", "--config", str(config(""))])
    assert answer.exit_code == 2
    assert "espeak-ng, flite" in answer.output


class TestTheVoiceOfThePage(TtsConformance):
    """Run as the page says, so that it is true: its own test file is executed as it stands there."""

    @pytest.fixture
    def make_engine(self, flite):
        namespace: dict[str, object] = {}
        exec(from_page("test_openclaw_flite.py"), namespace)
        suite = namespace["TestFlite"]
        return suite.make_engine.__wrapped__(suite())
