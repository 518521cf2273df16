"""The command line says what is wrong on standard error, with status 2, and never with a stack trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openclaw_actors import __version__
from openclaw_actors.cli.main import app
from openclaw_actors.cli.serve import engine_lines

EMBEDDED = Path(__file__).parents[2] / "config" / "embedded.toml"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder, with no settings in the environment but those given."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENCLAW_ACTORS_")]:
        monkeypatch.delenv(name)

    def run(*words: str, **environ: str):
        result = CliRunner().invoke(app, words, env={f"OPENCLAW_ACTORS_{name}": text for name, text in environ.items()})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_the_version_is_told(run):
    assert run("--version").stdout == f"openclaw-actors {__version__}\n"


def test_every_command_is_named_in_the_help(run):
    text = run("--help").stdout
    assert all(word in text for word in ("serve", "call", "config"))


def test_check_says_that_good_settings_are_good(run):
    assert run("config", "check").stdout == "built-in defaults: good\n"
    assert run("config", "check", "--config", str(EMBEDDED)).stdout == f"{EMBEDDED}: good\n"


def test_check_names_every_fault_on_standard_error_with_status_2(run, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[server]\nprot = 1\n")
    result = run("config", "check", "--config", str(path), TURNS__SILENCE_MS="soon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "error: OPENCLAW_ACTORS_TURNS__SILENCE_MS: turns.silence_ms: write a whole number",
        f"error: {path}: server.prot: there is no such setting; did you mean server.port?",
    ]


def test_show_prints_toml_with_the_environment_in_it_and_no_secret(run):
    result = run("config", "show", SERVER__PORT="9999", AGENT__OPENAI__API_KEY="sk-hush", AUTH__TOKENS='["hush"]')
    shown = tomllib.loads(result.stdout)
    assert shown["server"]["port"] == 9999
    assert shown["agent"]["openai"]["api_key"] == "********"
    assert "hush" not in result.stdout


def test_without_a_config_the_working_directorys_default_is_taken(run, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.toml").write_text("[server]\nport = 1234\n")
    assert tomllib.loads(run("config", "show").stdout)["server"]["port"] == 1234


@pytest.mark.parametrize("command", [["serve"], ["config", "check"], ["config", "show"]])
def test_every_command_refuses_a_file_that_is_not_there(run, command):
    result = run(*command, "--config", "nowhere.toml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: nowhere.toml: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "error: --host: server.host: a public bind without auth is refused"),
        (["--port", "99999"], "error: --port: server.port: it must be at most 65535"),
        (
            ["--tls", "no-cert.pem", "no-key.pem"],
            "error: --tls: no-cert.pem, no-key.pem: the certificate",
        ),
        (["--tls", "self-signed", "key.pem"], "error: --tls: key.pem: self-signed takes no key"),
        (["key.pem"], "error: serve: key.pem: there is no such argument"),
    ],
)
def test_serve_refuses_what_can_not_work_before_anything_starts(run, words, said):
    result = run("serve", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)


def test_the_lines_of_serve_say_which_engine_serves_and_why_no_better_one():
    def engine(name: str, state: str, reason: str = "") -> dict[str, object]:
        return {"engine": name, "state": state, "reason": reason, "progress": None}

    described = {
        "stt": {
            "serving": "b",
            "engines": [engine("a", "downloading"), engine("b", "serving"), engine("c", "serving")],
        },
        "agent": {"serving": "a", "engines": [engine("a", "serving")]},
        "tts": {"serving": None, "engines": [engine("a", "unavailable", "no network")]},
    }
    assert engine_lines(described) == [
        "  b hears (a: downloading)",
        "  a thinks",
        "  nobody yet speaks (a: no network)",
    ]


@contextmanager
def serve_process(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "openclaw_actors", "serve", "--config", str(EMBEDDED), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENCLAW_ACTORS_STORE__URL": f"sqlite:///{folder}/calls.db"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_serve_prints_where_the_console_is_and_ends_politely_on_sigint(tmp_path):
    with serve_process(tmp_path, "--port", "0") as process:
        lines = [process.stdout.readline().rstrip() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert lines[0].startswith("Console: http://127.0.0.1:"), log
    assert lines[1:] == ["  pocketsphinx hears", "  parrot thinks", "  espeak-ng speaks"]
    assert process.returncode == 0, log
    assert "Traceback" not in log


def test_serve_on_a_taken_port_says_so_with_status_2(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        serve_process(tmp_path, "--port", str(taken.getsockname()[1])) as process,
    ):
        _, log = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--port" in log
    assert "Traceback" not in log
