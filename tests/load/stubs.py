"""What the benchmarks share: stub providers as a process, a host that uses them, and what callers say.

The stubs' delays are the ones on which the peers were measured: STT 50 ms, first token 100 ms, 10 ms a token, TTS
50 ms, a voice that begins with 185 ms of silence.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

QUESTION = "What is the weather like in Paris today?"
OBJECTION = "No, wait, I meant to ask about tomorrow."

CONFIG = """
[server]
port = 0
[logs]
level = "warning"
[agent]
engines = ["openai"]
greeting = ""
[agent.openai]
base_url = "{url}"
api_key = "stub"
model = "stub"
[stt]
engines = ["openai"]
[stt.openai]
base_url = "{url}"
api_key = "stub"
[tts]
engines = ["openai"]
[tts.openai]
base_url = "{url}"
api_key = "stub"
[tts.cache]
max_bytes = 0
"""
"""No cache: the stub's answers differ (``always_elsewhere``), but what stands between them may come again."""


@asynccontextmanager
async def stub_process() -> AsyncIterator[str]:
    """The stub providers as a process; gives their base URL. It ends when its standard input does."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "openclaw_actors.testkit.providers.openai", "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield line.decode().split()[-1]
    finally:
        process.stdin.close()
        await process.wait()


def go_first() -> None:
    """Let this process run ahead of others on its core, where the system lets it: callers ahead of the stubs."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where there are two and the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # that thread has ended
                os.sched_setaffinity(int(thread.name), {core})
