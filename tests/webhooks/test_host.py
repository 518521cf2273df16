"""A host that is killed with calls on it: the next one tells of their end."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from tests.webhooks.conftest import SECRET

CALLS = 4
CONFIG = """
[server]
port = 0
[logs]
level = "warning"
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
[tts]
engines = ["espeak-ng"]
[store]
url = "sqlite:///{folder}/calls.db"
[webhooks]
urls = ["{url}"]
secret = "{secret}"
allow_private = true
"""


async def test_after_kill_9_the_next_start_posts_the_end_of_every_call(receiver_at, tmp_path):
    async with receiver_at() as receiver, asyncio.timeout(100):
        config = CONFIG.format(folder=tmp_path, url=receiver.url, secret=SECRET)
        async with HostProcess(config) as host, AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(Caller(host.url, keep_audio=False)) for _ in range(CALLS)]
            await receiver.until_told("call.answered", CALLS)
            os.kill(host.pid, signal.SIGKILL)
            await host._process.wait()
        calls = {caller.call_id for caller in callers}
        assert {event["call_id"] for event in receiver.taken} == calls
        async with HostProcess(config):
            ends = await receiver.until_told("call.ended", CALLS)
        assert {event["call_id"] for event in ends} == calls
        assert {(event["data"]["status"], event["data"]["reason"]) for event in ends} == {("failed", "host_restarted")}
        for call_id in calls:
            numbers = [event["sequence"] for event in receiver.taken if event["call_id"] == call_id]
            assert numbers == sorted(numbers)
