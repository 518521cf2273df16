"""What a load costs the host: its processor time and memory, by its own metrics or by its process id."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_EVERY_S = 2.0
"""Between two looks at the memory: a scrape costs a host with 25 calls 3 ms."""


class NoTargetError(Exception):
    """The host's processor time can't be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """At one moment: processor seconds since the process began, and bytes of memory."""

    cpu_s: float
    rss: float


class Target(Protocol):
    """Where the figures come from."""

    async def usage(self) -> Usage:
        """The figures now.

        Raises:
            NoTargetError: they can't be had.
        """


@dataclass(slots=True)
class MetricsTarget:
    """The host's ``GET /metrics``; a host of several processes shows the one that answers."""

    url: str
    token: str = ""
    verify_tls: bool = True

    async def usage(self) -> Usage:
        """As Target.usage."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        connector = aiohttp.TCPConnector(ssl=self.verify_tls)
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session,
                session.get(f"{self.url}/metrics") as response,
            ):
                if response.status != 200:
                    raise NoTargetError(f"{self.url}/metrics answered {response.status}: give --token or --pid")
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoTargetError(f"{self.url}/metrics does not answer: {error}") from error
        found = {
            sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        }
        try:
            return Usage(found["process_cpu_seconds_total"], found["process_resident_memory_bytes"])
        except KeyError as error:
            raise NoTargetError(f"{self.url}/metrics has no {error}: give --pid") from error


@dataclass(slots=True)
class ProcessTarget:
    """A process on this machine, by its id."""

    pid: int

    async def usage(self) -> Usage:
        """As Target.usage."""
        try:
            import psutil  # noqa: PLC0415 - wanted by this alone
        except ImportError:
            raise NoTargetError("--pid needs psutil: pip install psutil") from None
        try:
            process = psutil.Process(self.pid)
            return Usage(sum(process.cpu_times()[:2]), process.memory_info().rss)
        except psutil.Error as error:
            raise NoTargetError(f"--pid {self.pid}: {error}") from error


@dataclass(slots=True)
class Meter:
    """Measures a target from ``start`` to ``stop``."""

    target: Target
    cpu_share: float = 0.0
    """Of one core, 1 for all of it."""
    rss: float = 0.0
    """The most bytes that were seen."""
    fault: str = ""
    """Why there are no figures."""
    _watching: asyncio.Task[None] | None = None
    _first: tuple[float, float] = field(default=(0.0, 0.0))

    def start(self) -> None:
        """From now on."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Up to now."""
        if self._watching is None:
            return
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._look()

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(_EVERY_S)

    async def _look(self) -> None:
        try:
            usage = await self.target.usage()
        except NoTargetError as error:
            self.fault = str(error)
            return
        now = time.monotonic()
        if not self._first[0]:
            self._first = now, usage.cpu_s
        elif now > self._first[0]:
            self.cpu_share = (usage.cpu_s - self._first[1]) / (now - self._first[0])
        self.rss = max(self.rss, usage.rss)

    def figures(self) -> dict[str, Any]:
        """JSON-ready: percent of one core, MB; None where there are none."""
        if self.fault and not self.rss:
            return {"cpu_percent": None, "rss_mb": None}
        return {"cpu_percent": round(100 * self.cpu_share, 1), "rss_mb": round(self.rss / 2**20)}
