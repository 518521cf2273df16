"""Other projects' hosts that the benchmarks' callers can call: Pipecat's and FastRTC's latest.

Each is installed on demand into a venv of its own in build/, beside our environment, which it would upset.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build"


@dataclass(frozen=True)
class Peer:
    """One of them.

    Args:
        name: as it calls itself.
        package: its distribution, whose version is told.
        installs: what pip is given, call by call.
        levels: calls at once that it is measured with.
    """

    name: str
    package: str
    installs: tuple[tuple[str, ...], ...]
    levels: tuple[int, ...]

    @property
    def venv(self) -> Path:
        """Where it is installed; remove it for a newer one."""
        return BUILD / f"{self.name.lower()}-venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    def install(self) -> str:
        """Its version, installed first if it is not there."""
        asked = [str(self.python), "-c", f"import importlib.metadata as m; print(m.version('{self.package}'))"]
        whole = self.venv / "installed"
        if not whole.exists():
            sys.stderr.write(f"installing {self.name} into {self.venv} (up to 0.9 GB) ...\n")
            venv.create(self.venv, with_pip=True)
            for wanted in self.installs:
                subprocess.run([str(self.python), "-m", "pip", "install", "--quiet", *wanted], check=True)
            whole.touch()
        return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()

    @asynccontextmanager
    async def running(self, stub_url: str) -> AsyncIterator[tuple[str, int]]:
        """It as a process: its address and its process id. It ends when its standard input does."""
        pipe, script = asyncio.subprocess.PIPE, Path(__file__).with_name(f"{self.name.lower()}_peer.py")
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        clean |= {"LOGURU_LEVEL": "WARNING", "GRADIO_ANALYTICS_ENABLED": "False"}
        with (BUILD / f"{self.name.lower()}.log").open("wb") as log:
            command = (str(self.python), str(script), "--stub", stub_url)
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, env=clean)
            try:
                line = b""
                async with asyncio.timeout(120):
                    while not line.startswith(b"serves: "):
                        line = await process.stdout.readline()
                        if not line:
                            raise RuntimeError(f"{self.name} did not start, see {log.name}")
                yield line.decode().split()[-1], process.pid
            finally:
                process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), 10)
                except TimeoutError:
                    process.kill()
                    await process.wait()


PIPECAT = Peer("Pipecat", "pipecat-ai", (("pipecat-ai[webrtc,silero,openai,runner]",),), (1, 3, 6))
"""It takes a sixth to a quarter of a core a call here: with six it has no core left."""

FASTRTC = Peer("FastRTC", "fastrtc", (("fastrtc[vad]", "openai"), ("--no-deps", "silero-vad")), (1,))
"""It asks a handler for sound again and again without a pause, by a thread: one call takes a whole core."""

PEERS = (PIPECAT, FASTRTC)
