"""Settings come from file, environment and flags; a fault names its source, its key and what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.errors import SettingsError
from openclaw_actors.settings import Settings
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.show import as_toml, effective


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "host.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def faults_of(path: Path | None, environ: dict[str, str] | None = None, **flags) -> list[SettingsError]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ or {}, flags)
    return [caught.value, *caught.value.also]


def fault_of(path: Path | None, environ: dict[str, str] | None = None) -> SettingsError:
    (fault,) = faults_of(path, environ)
    return fault


def test_nothing_given_means_the_defaults():
    assert load_settings(None, {}) == Settings()


def test_the_file_is_read(write):
    path = write(
        '[server]\nport = 9000\n[stt]\nengines = ["pocketsphinx"]\n[webrtc]\nudp_port_range = [40000, 40099]\n'
    )
    settings = load_settings(path, {})
    assert settings.server.port == 9000
    assert settings.stt.engines == ("pocketsphinx",)
    assert settings.webrtc.udp_port_range == (40000, 40099)


def test_the_environment_wins_over_the_file_and_flags_over_both(write):
    path = write("[server]\nport = 9000\nmax_calls = 1\ndrain_timeout_s = 5\n")
    environ = {"OPENCLAW_ACTORS_SERVER__PORT": "9001", "OPENCLAW_ACTORS_SERVER__MAX_CALLS": "2"}
    server = load_settings(path, environ, {"server.port": 9002}).server
    assert (server.port, server.max_calls, server.drain_timeout_s) == (9002, 2, 5)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("SERVER__HOST", "localhost", lambda s: s.server.host == "localhost"),
        ("AGENT__GREETING", "", lambda s: s.agent.greeting == ""),
        ("AGENT__GREETING", '["not", "a", "list"]', lambda s: s.agent.greeting == '["not", "a", "list"]'),
        ("AGENT__OPENAI__MODEL", "gpt-4o", lambda s: s.agent.openai.model == "gpt-4o"),
        ("STT__OPENAI__API_KEY", "sk-1", lambda s: s.stt.openai.api_key.get_secret_value() == "sk-1"),
        ("TURNS__BARGE_IN", "off", lambda s: s.turns.barge_in is False),
        ("TURNS__BARGE_IN", "True", lambda s: s.turns.barge_in is True),
        ("LIMITS__BODY_TIMEOUT_S", "0.5", lambda s: s.limits.body_timeout_s == 0.5),
        ("TTS__CACHE__MAX_BYTES", "1_000", lambda s: s.tts.cache.max_bytes == 1000),
        ("STT__ENGINES", '["a", "b"]', lambda s: s.stt.engines == ("a", "b")),
        ("STT__ENGINES", "['a']", lambda s: s.stt.engines == ("a",)),
        (
            "STT",
            '{engines = ["a"], openai = {model = "m"}}',
            lambda s: (s.stt.engines, s.stt.openai.model) == (("a",), "m"),
        ),
        ("WEBRTC__ALLOW_PRIVATE", "no", lambda s: s.webrtc.allow_private == "no"),
        ("WEBRTC__ICE_SERVERS", '[{"urls": ["stun:s:1"]}]', lambda s: s.webrtc.ice_servers[0].urls == ("stun:s:1",)),
    ],
)
def test_every_kind_of_value_can_be_a_variable(name, text, read):
    assert read(load_settings(None, {f"OPENCLAW_ACTORS_{name}": text}))


def test_a_variable_for_a_key_wins_over_one_for_its_section():
    environ = {
        "OPENCLAW_ACTORS_STT__OPENAI__MODEL": "b",
        "OPENCLAW_ACTORS_STT__OPENAI": '{model = "a", language = "de"}',
    }
    openai = load_settings(None, environ).stt.openai
    assert (openai.model, openai.language) == ("b", "de")


def test_the_command_lines_own_variables_are_no_settings():
    assert load_settings(None, {"OPENCLAW_ACTORS_TOKEN": "t", "OPENCLAW_ACTORS_URL": "u", "PATH": "/"}) == Settings()


# --- secrets from files --------------------------------------------------------------------------------------------


def test_a_secret_is_read_from_the_file_that_a_variable_names(tmp_path):
    (tmp_path / "key").write_text("sk-file\n")
    environ = {"OPENCLAW_ACTORS_STT__OPENAI__API_KEY_FILE": str(tmp_path / "key")}
    assert load_settings(None, environ).stt.openai.api_key.get_secret_value() == "sk-file"


def test_a_secret_is_read_from_a_file_beside_the_settings_file(write):
    write("sk-beside\n", "key")
    path = write('[agent.openai]\napi_key_file = "key"\n')
    assert load_settings(path, {}).agent.openai.api_key.get_secret_value() == "sk-beside"


def test_a_list_of_secrets_has_one_on_each_line(write):
    write("one-token\n\ntwo-token\n", "tokens")
    path = write('[auth]\ntokens_file = "tokens"\n')
    assert [token.get_secret_value() for token in load_settings(path, {}).auth.tokens] == ["one-token", "two-token"]


def test_secrets_inside_lists_may_lie_in_files_too(write):
    write("turn-pass", "pass")
    path = write('[webrtc]\nice_servers = [{urls = ["turn:t:1"], username = "u", credential_file = "pass"}]\n')
    assert load_settings(path, {}).webrtc.ice_servers[0].credential.get_secret_value() == "turn-pass"


def test_a_variable_wins_over_a_secret_file_of_the_settings_file(write):
    write("from-file", "key")
    path = write('[agent.openai]\napi_key_file = "key"\n')
    key = load_settings(path, {"OPENCLAW_ACTORS_AGENT__OPENAI__API_KEY": "from-env"}).agent.openai.api_key
    assert key.get_secret_value() == "from-env"


def test_a_secret_and_its_file_together_are_refused(write):
    write("x", "key")
    fault = fault_of(write('[agent.openai]\napi_key = "x"\napi_key_file = "key"\n'))
    assert fault.key == "agent.openai.api_key_file"
    assert "keep one" in fault.remedy
    names = {"OPENCLAW_ACTORS_AUTH__JOIN_SECRET": "x" * 32, "OPENCLAW_ACTORS_AUTH__JOIN_SECRET_FILE": "/x"}
    assert fault_of(None, names).source == "OPENCLAW_ACTORS_AUTH__JOIN_SECRET_FILE"


@pytest.mark.parametrize(("content", "said"), [(None, "can't be read"), ("", "is empty"), ("x" * 70_000, "longer")])
def test_a_secret_file_that_holds_no_secret_is_a_fault(write, tmp_path, content, said):
    if content is not None:
        write(content, "key")
    fault = fault_of(write('[agent.openai]\napi_key_file = "key"\n'))
    assert fault.key == "agent.openai.api_key_file"
    assert str(tmp_path / "key") in fault.remedy
    assert said in fault.remedy


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[server]\nprot = 1", "server.prot", "did you mean server.port?"),
        ("[sever]\nport = 1", "sever", "did you mean server?"),
        ("port = 1", "port", "did you mean server.port?"),
        ("[stt.faster-whisper]\nmodel = 'x'", "stt.faster-whisper", "did you mean stt.faster_whisper?"),
        ("[server]\nquux = 1", "server.quux", "remove it"),
        ("[server]\nport = 'http'", "server.port", "whole number, not 'http'"),
        ("[server]\nport = '8080'", "server.port", "whole number"),
        ("[server]\nport = 70000", "server.port", "at most 65535"),
        ("[server]\nport = true", "server.port", "whole number, not true"),
        ("[limits]\nbody_bytes = 0", "limits.body_bytes", "more than 0"),
        ("[turns]\nbarge_in = 'yes'", "turns.barge_in", "true or false"),
        ("[stt]\nengines = 'pocketsphinx'", "stt.engines", "a list"),
        ("[stt]\nengines = [1]", "stt.engines[0]", "a string"),
        ("server = 1", "server", "a table"),
        ("[webrtc]\nudp_port_range = [1, 2, 3]", "webrtc.udp_port_range", "2 values"),
        ("[webrtc]\nice_servers = [{}]", "webrtc.ice_servers[0].urls", "missing"),
        ("[logs]\nlevel = 'loud'", "logs.level", "'debug', 'info', 'warning' or 'error', not 'loud'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_remedy(write, text, key, said):
    path = write(text)
    fault = fault_of(path)
    assert (fault.source, fault.key) == (str(path), key)
    assert said in fault.remedy


@pytest.mark.parametrize(
    ("name", "text", "key", "said"),
    [
        ("SERVR__PORT", "1", "servr.port", "did you mean OPENCLAW_ACTORS_SERVER__PORT?"),
        ("SERVER__PROT", "1", "server.prot", "did you mean OPENCLAW_ACTORS_SERVER__PORT?"),
        ("QUUX", "1", "quux", "remove it"),
        ("SERVER__PORT", "http", "server.port", "a whole number"),
        ("SERVER__PORT", "", "server.port", "a whole number"),
        ("SERVER__PORT", "1\nhost = 2", "server.port", "a whole number"),
        ("STT__ENGINES", "a,b", "stt.engines", "a list in brackets"),
        ("TURNS__BARGE_IN", "perhaps", "turns.barge_in", "true or false"),
        ("STT", "whisper", "stt", "a table in braces"),
    ],
)
def test_a_wrong_variable_is_named_with_its_remedy(name, text, key, said):
    fault = fault_of(None, {f"OPENCLAW_ACTORS_{name}": text})
    assert (fault.source, fault.key) == (f"OPENCLAW_ACTORS_{name}", key)
    assert said in fault.remedy


def test_broken_toml_is_named_with_line_and_column(write):
    fault = fault_of(write("[server]\nport = = 1\n"))
    assert "line 2, column" in fault.key
    assert "not TOML" in fault.remedy


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe")]
)
def test_an_unreadable_file_is_a_fault_that_names_it(tmp_path, make):
    path = tmp_path / "host.toml"
    make(path)
    assert fault_of(path).source == str(path)


def test_all_faults_are_told_at_once(write):
    path = write("[server]\nport = 'x'\nprot = 1\n[turns]\nsilence_ms = 1.5\n")
    environ = {"OPENCLAW_ACTORS_STT__ENGINES": "x"}
    keys = {fault.key for fault in faults_of(path, environ)}
    assert keys == {"server.port", "server.prot", "turns.silence_ms", "stt.engines"}
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ)
    assert len(str(caught.value).splitlines()) == 4


def test_a_fault_never_quotes_a_secret(write):
    with pytest.raises(SettingsError) as caught:
        load_settings(write("[agent.openclaw]\ntoken = 31337\n[auth]\ntokens = [424242]\n"), {})
    assert "31337" not in str(caught.value)
    assert "424242" not in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["SERVER__PORT", "STT", "AUTH__TOKENS", "X__Y", "TTS__CACHE"]), st.text()))
def test_whatever_the_environment_holds_is_read_or_refused_in_words(variables):
    environ = {f"OPENCLAW_ACTORS_{name}": text for name, text in variables.items()}
    try:
        load_settings(None, environ)
        faults = []
    except SettingsError as error:
        faults = [error, *error.also]
    assert all(fault.key and fault.remedy for fault in faults)
    assert ("OPENCLAW_ACTORS_X__Y" in environ) <= bool(faults)


ROUTE = """[numbers.routes."+15550100001"]
agent = "desk"
greting = "Good day."
"""


def test_the_routes_of_numbers_are_tables_under_their_number(write):
    settings = load_settings(write(ROUTE.replace("greting", "greeting")), {})
    route = settings.numbers.routes["+15550100001"]
    assert (route.agent, route.greeting) == ("desk", "Good day.")
    assert tomllib.loads(as_toml(effective(settings)))["numbers"]["routes"]["+15550100001"]["agent"] == "desk"


def test_a_wrong_key_in_a_route_is_named_with_the_one_that_was_meant(write):
    with pytest.raises(SettingsError, match="did you mean numbers") as caught:
        load_settings(write(ROUTE), {})
    assert "greting" in caught.value.key
