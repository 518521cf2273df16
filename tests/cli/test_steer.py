"""Every command that steers a host does on it what it says, and ends with a status that scripts can trust."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from openclaw_actors.cli import steer
from openclaw_actors.cli.remote import plain
from openclaw_actors.testkit.speakers import tone, write_wav


@pytest.fixture
def ask(shell, host_url):
    """Run a command on the host; its JSON."""

    def run(*words: str):
        result = shell(*words, "--json", URL=host_url)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def call_id(shell, host_url, ask):
    result = shell("dial", "test", "--metadata", '{"order": 7}', URL=host_url)
    assert result.exit_code == 0, result.stderr
    made = result.stdout.strip()
    yield made
    shell("hangup", made, URL=host_url)


def events_of(shell, host_url, call_id):
    """All of them: the command ends with the call."""
    result = shell("tail", call_id, "--json", URL=host_url)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_call_is_dialled_steered_and_followed_to_its_end(shell, host_url, ask, call_id, tmp_path):
    write_wav(tmp_path / "hum.wav", tone(0.2).pcm)
    assert ask("hold", call_id, "--sound", "tone")["action"] == "hold"
    assert ask("show", call_id)["call"]["held"]
    for words in (("resume",), ("mute",), ("unmute",)):
        assert ask(words[0], call_id)["status"] == "accepted"
    ask("dtmf", call_id, "12#")
    ask("play", call_id, "beep")
    ask("play", call_id, "hum.wav")
    first = ask("say", call_id, "It is done.", "--command-id", "once")
    assert ask("say", call_id, "It is done.", "--command-id", "once") == first
    told = [event["type"] for event in events_of_until_spoken(shell, host_url, call_id)]
    assert [kind for kind in told if kind in {"call.held", "call.resumed", "call.dtmf", "call.played"}] == [
        "call.held",
        "call.resumed",
        "call.dtmf",
        "call.played",
        "call.played",
    ]
    shown = ask("show", call_id)
    assert shown["call"]["end_reason"] == "api_hangup"
    assert [line["text"] for line in shown["transcript"]] == ["It is done."]
    text = shell("show", call_id, URL=host_url).stdout
    assert "It is done." in text


def events_of_until_spoken(shell, host_url, call_id):
    """Follow with a process, hang up when the line has been spoken, and read on to the end."""
    command = [sys.executable, "-m", "openclaw_actors", "tail", call_id, "--json", "--url", host_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = []
        for line in process.stdout:
            found.append(json.loads(line))
            if found[-1]["type"] == "call.transcript":
                assert shell("hangup", call_id, URL=host_url).exit_code == 0
        assert process.wait(10) == 0
    assert found[-1]["type"] == "call.ended"
    return found


def test_calls_are_listed_for_people_and_for_programs(shell, host_url, ask, call_id):
    assert call_id in [call["id"] for call in ask("calls", "--status", "in-progress")["calls"]]
    text = shell("calls", URL=host_url).stdout
    assert call_id in text
    assert "in-progress" in text
    assert len(ask("calls", "--limit", "1")["calls"]) == 1


def test_the_shell_completes_the_ids_of_live_calls(host_url, call_id, monkeypatch):
    monkeypatch.setenv("OPENCLAW_ACTORS_URL", host_url)
    assert call_id in [found for found, _ in steer._complete_call("call_")]
    assert steer._complete_call("nothing") == []


def test_an_ended_call_can_be_erased_and_a_live_one_can_not(shell, host_url, call_id):
    refused = shell("erase", call_id, "--yes", URL=host_url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "call_is_live" in refused.stderr
    shell("hangup", call_id, URL=host_url)
    events_of(shell, host_url, call_id)
    assert shell("erase", call_id, stdin="n\n", URL=host_url).exit_code == 1
    assert shell("show", call_id, URL=host_url).exit_code == 0
    assert shell("erase", call_id, stdin="y\n", URL=host_url).exit_code == 0
    assert shell("show", call_id, URL=host_url).exit_code == 1


def test_a_drain_is_begun_and_ended(shell, host_url, ask):
    assert ask("drain")["draining"]
    assert shell("dial", "test", URL=host_url).exit_code == 1
    assert not ask("drain", "--end")["draining"]


def test_a_refusal_is_status_1_with_words_or_json_on_standard_error(shell, host_url):
    result = shell("say", "call_nobody", "hello", URL=host_url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "[no_such_call]" in result.stderr
    result = shell("say", "call_nobody", "hello", "--json", URL=host_url)
    assert json.loads(result.stderr)["error"]["code"] == "no_such_call"
    assert "not_supported" in shell("transfer", _call(shell, host_url), "+15551234567", URL=host_url).stderr


def _call(shell, host_url):
    return shell("dial", "test", URL=host_url).stdout.strip()


def test_a_host_that_is_not_there_is_status_3(shell):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = shell("calls", "--url", f"http://127.0.0.1:{port}")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "is the host running" in result.stderr


@pytest.mark.parametrize("words", [("dial", "test", "--metadata", "nonsense"), ("say", "x"), ("calls", "--limit", "0")])
def test_wrong_usage_is_status_2(shell, words):
    assert shell(*words).exit_code == 2


def test_what_a_caller_says_can_not_steer_the_terminal():
    assert plain("a\x1b]0;owned\x07\x9b2Jb\n") == "a ]0;owned  2Jb "


def test_help_and_completion_wait_for_no_heavy_import():
    heavy = ["aiohttp", "av", "numpy", "pydantic", "openclaw_actors.testkit", "openclaw_actors.engines"]
    look = f"import openclaw_actors.cli.main, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
