"""Pipecat's latest as a host that the benchmarks' callers can call.

It is installed on demand into build/pipecat-venv, beside our own environment, which it would upset.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENV = ROOT / "build" / "pipecat-venv"
PYTHON = VENV / "bin" / "python"
PACKAGE = "pipecat-ai[webrtc,silero,openai,runner]"


def install() -> str:
    """Pipecat's version, installed first if it is not there; ``rm -r build/pipecat-venv`` for a newer one."""
    asked = [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('pipecat-ai'))"]
    if not PYTHON.exists() or subprocess.run(asked, capture_output=True, check=False).returncode:
        sys.stderr.write(f"installing {PACKAGE} into {VENV} (0.9 GB) ...\n")
        venv.create(VENV, with_pip=True)
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()


@asynccontextmanager
async def pipecat(stub_url: str) -> AsyncIterator[tuple[str, int]]:
    """Pipecat as a process: its address and its process id. It ends when its standard input does."""
    pipe = asyncio.subprocess.PIPE
    log = (ROOT / "build" / "pipecat.log").open("wb")
    command = (str(PYTHON), str(Path(__file__).with_name("pipecat_peer.py")), "--stub", stub_url)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"LOGURU_LEVEL": "WARNING"}
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, env=clean)
    try:
        line = b""
        async with asyncio.timeout(120):
            while not line.startswith(b"Pipecat: "):
                line = await process.stdout.readline()
                if not line:
                    raise RuntimeError(f"Pipecat did not start, see {log.name}")
        yield line.decode().split()[-1], process.pid
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        log.close()
