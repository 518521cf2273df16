"""The wizard writes what works, doctor tells what does not, and voices can be heard before they are chosen."""

from __future__ import annotations

import json
import socket
import threading
import tomllib
import wave
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.cli.conftest import EMBEDDED_TOML

EMBEDDED = ("--agent", "parrot", "--stt", "pocketsphinx", "--tts", "espeak-ng")
QUIET = ("--greeting", "", "--voice", "", "--port", "8080", "--host", "127.0.0.1", "--twilio-account-sid", "")


@pytest.fixture
def gateway():
    """Something that asks for a token, as an OpenClaw Gateway does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401 if self.path == "/v1/models" else 404)
            self.end_headers()

        def log_message(self, *_):
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def written(path):
    return tomllib.loads(path.read_text())


def test_with_yes_nothing_is_asked_and_flags_decide(shell, tmp_path):
    result = shell("setup", "--yes", "--no-check", "--file", "my.toml", "--greeting", "Good day.", *EMBEDDED)
    assert result.exit_code == 0, result.stderr
    path = tmp_path / "my.toml"
    assert written(path) == {
        "agent": {"engines": ["parrot"], "greeting": "Good day."},
        "stt": {"engines": ["pocketsphinx"]},
        "tts": {"engines": ["espeak-ng"]},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["my.toml"]


def test_a_gateway_is_found_and_taken_and_the_embedded_agent_stays_behind_it(shell, tmp_path, gateway):
    words = ("--gateway-url", gateway, "--gateway-token", "hush", *EMBEDDED[2:])
    result = shell("setup", "--yes", "--no-check", *words)
    assert result.exit_code == 0, result.stderr
    agent = written(tmp_path / "openclaw-actors.toml")["agent"]
    assert agent == {"engines": ["openclaw", "parrot"], "openclaw": {"base_url": gateway, "token": "hush"}}
    assert "hush" not in result.output


def test_questions_are_asked_again_until_the_answer_is_one(shell, tmp_path):
    result = shell("setup", "--no-check", *EMBEDDED[2:], *QUIET, stdin="me\nparrot\nnone\n")
    assert result.exit_code == 0, result.stderr
    assert "choose one of openclaw, openai, parrot" in result.stderr
    assert written(tmp_path / "openclaw-actors.toml")["agent"]["engines"] == ["parrot"]


def test_a_public_address_gets_a_token_that_is_not_shown(shell, tmp_path):
    result = shell("setup", "--yes", "--no-check", "--host", "0.0.0.0", "--port", "9000", *EMBEDDED)
    assert result.exit_code == 0, result.stderr
    settings = written(tmp_path / "openclaw-actors.toml")
    assert settings["server"] == {"host": "0.0.0.0", "port": 9000}
    (token,) = settings["auth"]["tokens"]
    assert len(token) >= 32
    assert token not in result.output


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(shell, tmp_path):
    path = tmp_path / "openclaw-actors.toml"
    path.write_text("# mine\n")
    assert shell("setup", "--yes", "--no-check", *EMBEDDED).exit_code == 2
    assert shell("setup", "--no-check", *EMBEDDED, *QUIET, stdin="n\n").exit_code == 2
    assert path.read_text() == "# mine\n"
    assert shell("setup", "--yes", "--force", "--no-check", *EMBEDDED).exit_code == 0
    assert "parrot" in path.read_text()


@pytest.mark.parametrize("words", [("--agent", "me"), ("--port", "70000"), ("--port", "x")])
def test_what_can_not_be_is_refused_and_nothing_is_written(shell, tmp_path, words):
    result = shell("setup", "--yes", "--no-check", *EMBEDDED[2:], *words)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_setup_ends_with_doctor_and_its_status(shell, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        url = f"sqlite:///{tmp_path}/calls.db"
        result = shell("setup", "--json", "--port", port, *EMBEDDED, STORE__URL=url)
    assert result.exit_code == 1
    findings = {each["check"]: each for each in json.loads(result.stdout)["findings"]}
    assert findings["port"]["status"] == "bad"
    bad = {name for name, each in findings.items() if each["status"] == "bad"}
    assert bad == {"port"}, findings
    assert "espeak-ng" in findings["speech synthesis"]["detail"]
    assert "weather" in findings["speech recognition"]["detail"]
    assert "parrot answered" in findings["agent"]["detail"]
    assert "written" in findings["records"]["detail"]


def test_doctor_says_what_is_wrong_and_what_to_do(shell, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    path = tmp_path / "bad.toml"
    path.write_text(
        EMBEDDED_TOML.replace('"parrot"', '"openai"').replace('"pocketsphinx"', '"openai", "pocketsphinx"')
        + f'[agent.openai]\nbase_url = "{nobody}"\nmodel = "m"\n[stt.openai]\nbase_url = "{nobody}"\n'
        + f'[store]\nurl = "sqlite:///{tmp_path}/calls.db"\n'
    )
    result = shell("doctor", "--config", str(path))
    assert result.exit_code == 1
    said = result.stdout
    assert "✗ agent engines: none serves (openai: " in said
    assert "name one in agent.engines that works" in said
    assert "! stt engines: pocketsphinx serves (openai: " in said
    assert "✓ speech recognition" in said


def test_doctor_on_wrong_settings_is_status_2(shell):
    assert shell("doctor", "--config", "nowhere.toml").exit_code == 2


def test_the_embedded_voices_are_listed_and_one_is_heard(shell, tmp_path):
    listed = json.loads(shell("voices", "--engine", "espeak-ng", "--json").stdout)["voices"]
    assert {"en-us", "de", "fr-fr"} <= {voice["name"] for voice in listed}
    english = shell("voices", "--engine", "espeak-ng", "--language", "en").stdout.splitlines()
    assert english
    assert all(line.startswith("en") for line in english)
    assert shell("voices", "--engine", "espeak-ng", "--hear", "de", "--text", "Guten Tag.").exit_code == 0
    with wave.open(str(tmp_path / "voice.wav")) as file:
        assert 0.4 < file.getnframes() / file.getframerate() < 3


def test_an_unknown_engine_or_voice_is_told(shell):
    assert shell("voices", "--engine", "nobody").exit_code == 2
    result = shell("voices", "--engine", "espeak-ng", "--hear", "klingonish")
    assert result.exit_code == 1
    assert "klingonish" in result.stderr
