"""`openclaw-actors call`: a conversation from a shell, its latencies, and an exit code that scripts can trust."""

from __future__ import annotations

import asyncio
import json
import sys
import wave

import pytest

from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.speakers import read_wav, tone, write_wav
from tests.calls.conftest import QUESTION
from tests.testkit.clockwork_host import ClockworkHost

EMBEDDED = """
[server]
port = 0
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
[tts]
engines = ["espeak-ng"]
[supervision]
stt_final_s = 15
"""


async def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "openclaw_actors", "call", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def question(flite, tmp_path):
    path = tmp_path / "question.wav"
    write_wav(path, flite(QUESTION).pcm)
    return path


async def test_it_prints_the_conversation_and_its_latencies_against_a_served_host(question, tmp_path):
    async with HostProcess(EMBEDDED) as host:
        spoken = call(host.url, "--wav", str(question), "--record", str(tmp_path / "heard.wav"))
        counted = call(host.url, "--wav", str(question), "--json")
        (code, out, err), (json_code, json_out, _) = await asyncio.gather(spoken, counted)
        assert (code, err) == (0, "")
        assert "agent  Hello! How can I help you today?" in out
        assert "weather like in paris today" in out.lower()
        assert "question.wav" in out

        result = json.loads(json_out)
        assert json_code == 0
        (turn,) = result["turns"]
        assert turn["answered"]
        assert 0 < turn["latency_ms"] < 15_000
        assert turn["host"]["total_ms"] > 0
        assert [line["role"] for line in result["transcript"]][:2] == ["agent", "user"]
        assert await host.stop() == 0
    with wave.open(str(tmp_path / "heard.wav")) as heard:
        assert heard.getframerate() == 48_000
    assert read_wav(tmp_path / "heard.wav").voiced_end_sample > 16_000


async def test_a_host_that_never_speaks_is_exit_code_1_and_says_so(tmp_path):
    write_wav(tmp_path / "q.wav", tone(0.3).pcm)
    async with ClockworkHost(answer_s=3600) as host:
        code, out, err = await call(host.url, "--wav", str(tmp_path / "q.wav"), "--timeout", "1")
    assert code == 1
    assert "no answer" in out
    assert "no answer was heard" in err


async def test_a_refused_call_says_why_and_no_traceback(tmp_path):
    write_wav(tmp_path / "q.wav", tone(0.3).pcm)
    async with ClockworkHost(refuse=503) as host:
        code, _, err = await call(host.url, "--wav", str(tmp_path / "q.wav"))
    assert code == 1
    assert "All lines are busy" in err
    assert "Traceback" not in err


async def test_nobody_at_the_address_or_no_such_file_is_said_in_one_line(tmp_path):
    write_wav(tmp_path / "q.wav", tone(0.3).pcm)
    code, _, err = await call("http://127.0.0.1:1", "--wav", str(tmp_path / "q.wav"))
    assert (code, "Traceback" in err) == (1, False)
    assert "127.0.0.1:1" in err
    code, _, err = await call("http://127.0.0.1:1", "--wav", str(tmp_path / "no.wav"))
    assert (code, "Traceback" in err) == (1, False)
    assert "no.wav" in err
