"""A real Prometheus over the project's own configuration and rules, on a clock that may be quicker."""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.conftest import needs_program

from .boards import FOLDER

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def quicker(rules: str, times: int) -> str:
    """Rules whose windows and patience are so many times shorter: what takes 5 minutes is to be seen in 30 s."""

    def shorter(found: re.Match[str]) -> str:
        before, number, unit, after = found.groups()
        return f"{before}{max(1, round(int(number) * _UNITS[unit] / times))}s{after}"

    return re.sub(r"(\[|for: )(\d+)([smhd])(\]|\n)", shorter, rules)


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str
    session: aiohttp.ClientSession

    async def _get(self, path: str, **parameters: Any) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            content = await answer.json()
        assert content["status"] == "success", content
        return content["data"]

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """What it says now: series with ``metric`` and ``value``."""
        return list((await self._get("query", query=expr))["result"])

    async def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """What it said from ``start`` to ``end`` (Unix time)."""
        return list((await self._get("query_range", query=expr, start=start, end=end, step=step))["result"])

    async def rules(self) -> list[dict[str, Any]]:
        """All rules, as they were last evaluated."""
        return [rule for group in (await self._get("rules"))["groups"] for rule in group["rules"]]

    async def firing(self) -> list[dict[str, str]]:
        """The labels of the alerts that fire."""
        return [alert["labels"] for alert in (await self._get("alerts"))["alerts"] if alert["state"] == "firing"]

    async def until(self, expr: str, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """What it says as soon as it says something."""
        async with asyncio.timeout(timeout_s):
            while not (found := await self.query(expr)):  # noqa: ASYNC110 - Prometheus tells nobody by itself
                await asyncio.sleep(0.2)
        return found


def _configuration(folder: Path, targets: Sequence[str], times: int) -> Path:
    config = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    del job["authorization"]
    job["static_configs"] = [{"targets": list(targets)}]
    (folder / "rules").mkdir()
    for path in (FOLDER / "prometheus/rules").glob("*.yaml"):
        (folder / "rules" / path.name).write_text(quicker(path.read_text(), times))
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(config))
    return written


@asynccontextmanager
async def running_prometheus(targets: Sequence[str], times: int = 1) -> AsyncIterator[Prometheus]:
    """Scrape the targets (host:port) each second, and evaluate the rules as often.

    Args:
        targets: hosts, on this machine.
        times: how many times shorter the rules' windows are.
    """
    program = needs_program("prometheus", "apt install prometheus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="openclaw-actors-prometheus-") as name:
        folder = Path(name)
        command = [
            program,
            f"--config.file={_configuration(folder, targets, times)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            async with aiohttp.ClientSession() as session:
                prometheus = Prometheus(f"http://127.0.0.1:{port}", session)
                await _ready(prometheus, process, folder / "log")
                yield prometheus
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(prometheus: Prometheus, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, f"see {log}"
            try:
                async with prometheus.session.get(f"{prometheus.url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
