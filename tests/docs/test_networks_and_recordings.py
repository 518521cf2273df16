"""docs/recordings.md and docs/networks.md: their commands and configuration run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection

from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.settings.sections import Recordings
from openclaw_actors.testkit.host import HostProcess
from tests.conftest import needs_program

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text() for name in ("recordings", "networks")}
TOKEN = "documentation-" * 3
CONFIG = f"""
[server]
port = 0
[auth]
tokens = ["{TOKEN}"]
allow_anonymous_loopback = false
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
[recordings]
keep_free_bytes = 0
"""


def examples(page: str, language: str) -> list[str]:
    return [
        re.sub(r"(?m)^ {4}", "", text) if indent else text
        for indent, text in re.findall(rf"(?ms)^( *)```{language}\n(.*?)^\1```", PAGES[page])
    ]


@pytest.fixture
def shell(tmp_path):
    """Runs a script in a folder of its own, against a host that asks for a token."""
    command = tmp_path / "bin" / "openclaw-actors"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openclaw_actors "$@"\n')
    command.chmod(0o755)
    with asyncio.Runner() as runner:
        host = HostProcess(CONFIG)
        runner.run(host.__aenter__())
        environ = {
            **os.environ,
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "OPENCLAW_ACTORS_URL": host.url,
            "OPENCLAW_ACTORS_TOKEN": TOKEN,
        }

        def run(script: str) -> str:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        try:
            yield run
        finally:
            runner.run(host.stop())


def test_a_recording_is_made_stopped_and_fetched_as_the_page_says(shell, tmp_path):
    needs_program("curl", "apt install curl")
    commands, http = examples("recordings", "bash")
    # The call's last word to its record takes some milliseconds.
    waited = commands.replace('openclaw-actors recording "$call"', 'sleep 1\nopenclaw-actors recording "$call"')
    said = shell(waited + http)
    assert re.search(r"(?i)content-range: bytes 0-1023/\d+", said)
    sound = (tmp_path / "call.ogg").read_bytes()
    assert sound.startswith(b"OggS")
    assert sound.startswith((tmp_path / "part.ogg").read_bytes())


def test_whip_works_with_curl_as_the_page_says(shell, tmp_path):
    needs_program("curl", "apt install curl")

    async def offer() -> str:
        connection = RTCPeerConnection()
        connection.addTransceiver("audio")
        await connection.setLocalDescription(await connection.createOffer())
        sdp = connection.localDescription.sdp
        await connection.close()
        return sdp

    (tmp_path / "offer.sdp").write_bytes(asyncio.run(offer()).encode())
    said = shell("".join(examples("networks", "bash")))
    assert said.splitlines() == ["answered 201", "trickled 204", "hung up 200"]


def test_what_the_pages_call_the_defaults_is_so():
    kept = Recordings()
    page = PAGES["recordings"]
    assert kept.keep_free_bytes == 1 << 30
    assert "`recordings.keep_free_bytes` (1 GiB)" in page
    assert kept.max_s == 4 * 3600
    assert "(4 hours)" in page
    for kind in EVENT_TYPES:
        assert not kind.startswith("call.recording.") or f"`{kind}`" in page


def test_coturn_takes_the_configuration_of_the_page(tmp_path):
    program = needs_program("turnserver", "apt install coturn")
    (config,) = examples("networks", "ini")
    path, log = tmp_path / "turnserver.conf", tmp_path / "log"
    of_the_test = ["listening-ip=127.0.0.1", "log-file=stdout", "simple-log", "verbose"]
    of_the_test += [f"pidfile={tmp_path}/pid", f"userdb={tmp_path}/users.db"]
    path.write_text("\n".join([config.replace("listening-port=3478", "listening-port=34789"), *of_the_test, ""]))
    with log.open("wb") as out:
        process = subprocess.Popen([program, "-c", str(path)], stdout=out, stderr=out, cwd=tmp_path)
    try:
        until = time.monotonic() + 20
        while "UDP listener opened" not in (said := log.read_text()):
            assert time.monotonic() < until, said
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(10)
    assert said.count("Black listing") >= 7
    assert not re.search(r"(?i)config error|bad configuration|unrecognized|unknown", said), said
