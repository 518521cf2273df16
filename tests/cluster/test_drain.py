"""SIGTERM ends a cluster of one machine as it ends a host: no new calls, and those that run go on to their end."""

from __future__ import annotations

import asyncio
import signal
import time

import psutil
import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.signalling import CallRefusedError

pytestmark = pytest.mark.cluster
CONFIG = """
[server]
port = 0
[supervision]
stt_final_s = 15
first_audio_s = 10
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
[cluster]
engine = "ray"
"""


async def test_sigterm_waits_for_the_last_call_of_each_host_and_leaves_nothing_behind():
    async with HostProcess(CONFIG, start_timeout_s=150) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        async with Caller(process.url, keep_audio=False) as caller:
            process.send_signal(signal.SIGTERM)
            event = await caller.wait_event("node.draining", timeout_s=20)
            assert event.data["ends_in_s"] == 1800
            began = time.monotonic()
            with pytest.raises(CallRefusedError) as refused:
                async with Caller(process.url):
                    pass
            assert refused.value.status == 503
            await asyncio.sleep(1)
            assert not caller.over, f"{time.monotonic() - began:.1f} s after SIGTERM its caller still talks"
            assert process.returncode is None
        assert await process.ended(60) == 0
    _, left = psutil.wait_procs(family, timeout=20)
    assert left == []
