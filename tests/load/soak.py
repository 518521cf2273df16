"""Waves of calls at one host, and what they leave behind: ``make soak`` (HOURS=8 for a night).

The host is this process, so that all it takes can be counted exactly; the callers are another, and so are the stub
providers. After each wave threads, sockets, tasks, actors and workers' jobs must be what they were before the first.
Connections to the providers are not counted: those that were needed at once are kept. Memory is judged after a warm-up,
in which pools fill and caches settle: over 200 calls it may grow by 20 kB a call, and over hours by 1 MB an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory

import psutil

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Logs
from openclaw_actors.testkit.host import RunningHost, running_host
from openclaw_actors.testkit.resources import Resources, settled
from tests.load.stubs import CONFIG, stub_process

WARM_UP = 100
"""Calls before memory is judged."""
GROWTH_KB = 20.0
"""A call, at most, over the calls after the warm-up."""
SLOPE_MB = 1.0
"""An hour, at most."""
MAX_CALLS = 100
"""A limit that is found out would refuse some on a machine that does other things beside."""
BACK_S = 30.0
"""Until all is back: a caller who left without a word is gone after 15 s, and a peer is closed within 5."""
_WAVE_S = 180.0


@dataclass(frozen=True)
class Wave:
    """What stood when a wave was over. ``left``: what was taken beyond the beginning, by name."""

    at_s: float
    calls: int
    rss_mb: float
    left: dict[str, float]


@dataclass
class Soak:
    """All of it."""

    before: Resources
    waves: list[Wave] = field(default_factory=list)
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.waves[-1].calls if self.waves else 0

    @property
    def _judged(self) -> list[Wave]:
        return [wave for wave in self.waves if wave.calls >= WARM_UP]

    @property
    def growth_kb(self) -> float:
        """A call, over the calls after the warm-up: the slope of a straight line through the waves."""
        judged = self._judged
        if len(judged) < 3:
            return float("nan")
        return linear_regression([w.calls for w in judged], [w.rss_mb for w in judged]).slope * 1024

    @property
    def slope_mb(self) -> float:
        """An hour, by the later half of the time: in the first, memory still finds its level."""
        late = [wave for wave in self.waves if wave.at_s >= self.waves[-1].at_s / 2]
        if len(late) < 3:
            return float("nan")
        return linear_regression([w.at_s / 3600 for w in late], [w.rss_mb for w in late]).slope

    @property
    def leaks(self) -> list[str]:
        """What a wave left behind, in words."""
        return [f"after {wave.calls} calls: {wave.left}" for wave in self.waves if wave.left]


class Callers:
    """The process that calls; see ``tests/load/soak_callers.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wave(self, calls: int) -> tuple[int, list[str]]:
        """So many calls at once: how many were answered, and what went wrong."""
        self._process.stdin.write(f"{calls}\n".encode())
        line = await asyncio.wait_for(self._process.stdout.readline(), _WAVE_S)
        told = json.loads(line)
        return told["answered"], told["failed"]


@asynccontextmanager
async def callers_process(url: str):
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.load.soak_callers", url)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield Callers(process)
    finally:
        process.stdin.close()
        await process.wait()


async def soak(
    host: RunningHost, callers: Callers, wave: int, goes_on: Callable[[Soak], bool], tell: Callable[[Wave], object]
) -> Soak:
    """Waves of ``wave`` calls while ``goes_on``."""
    answered, failed = await callers.wave(wave)  # what is made once and kept is there after this
    before = _without_kept(await settled(host))
    found = Soak(before, answered=answered, failed=failed)
    rss, began, calls = psutil.Process(), time.monotonic(), wave
    while goes_on(found):
        answered, failed = await callers.wave(wave)
        found.answered += answered
        found.failed += failed
        calls += wave
        left = await _left(before, host)
        found.waves.append(Wave(time.monotonic() - began, calls, rss.memory_info().rss / 2**20, left))
        tell(found.waves[-1])
    return found


def _without_kept(taken: Resources) -> Resources:
    """Less the connections to the providers: as many stay open as were needed at once, for the next turn."""
    kept = sum(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process().net_connections("tcp"))
    return replace(taken, descriptors=taken.descriptors - kept)


async def _left(before: Resources, host: RunningHost) -> dict[str, float]:
    """What is taken beyond ``before``, once it is nothing or BACK_S have passed."""
    until = time.monotonic() + BACK_S
    while True:
        after = _without_kept(Resources.of(host))
        pairs = zip(fields(Resources), astuple(before), astuple(after), strict=True)
        left = {each.name: now - then for each, then, now in pairs if now > then}
        if not left or time.monotonic() > until:
            return left
        await asyncio.sleep(0.1)


@asynccontextmanager
async def soaked_host():
    """The host on stub providers, and the process that calls it."""
    async with stub_process() as stub:
        with TemporaryDirectory() as folder:
            config = Path(folder) / "host.toml"
            text = CONFIG.format(url=stub).replace("port = 0", f"port = 0\nmax_calls = {MAX_CALLS}")
            config.write_text(text + f'[store]\nurl = "sqlite:///{folder}/calls.db"\n')
            async with running_host(load_settings(config, {})) as host, callers_process(host.url) as callers:
                yield host, callers


def report(found: Soak, wave: int) -> str:
    """The figures as Markdown."""
    hours = found.waves[-1].at_s / 3600
    exact = "exactly what they were" if not found.leaks else "; ".join(found.leaks)
    rows = [
        ("calls, in waves of", f"{found.calls}, {wave}"),
        ("hours", f"{hours:.2f}"),
        ("answered", f"{found.answered}"),
        ("failed", f"{len(found.failed)}"),
        ("threads, sockets, tasks, actors, jobs after each wave", exact),
        ("memory at first, after the warm-up, at last (MB)", _memory(found)),
        (f"growth a call after {WARM_UP} calls (at most {GROWTH_KB:g} kB)", f"{found.growth_kb:.1f} kB"),
        (
            f"slope of the later half (at most {SLOPE_MB:g} MB/h, judged from an hour on)",
            f"{found.slope_mb:.2f} MB/h",
        ),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(["# Soak", "", *lines, "", *(f"- {fault}" for fault in found.failed[:20])]).rstrip() + "\n"


def _memory(found: Soak) -> str:
    warm = next((w.rss_mb for w in found.waves if w.calls >= WARM_UP), float("nan"))
    return f"{found.waves[0].rss_mb:.0f}, {warm:.0f}, {found.waves[-1].rss_mb:.0f}"


def faults(found: Soak, hours: float) -> list[str]:
    """What is wrong, in words."""
    wrong = [*found.leaks, *found.failed]
    if found.growth_kb > GROWTH_KB:
        wrong.append(f"memory grew by {found.growth_kb:.1f} kB a call")
    if hours >= 1 and found.slope_mb > SLOPE_MB:
        wrong.append(f"memory grew by {found.slope_mb:.2f} MB an hour")
    return wrong


async def _main(calls: int, wave: int, hours: float, out: Path) -> int:
    until = time.monotonic() + hours * 3600

    def goes_on(found: Soak) -> bool:
        return time.monotonic() < until if hours else found.calls < calls

    def tell(each: Wave) -> None:
        _say(f"{each.at_s:7.0f} s  {each.calls:6} calls  {each.rss_mb:6.1f} MB  {each.left or ''}")

    configure_logs(Logs(level="error"))  # structlog's own way to draw a traceback takes a second of this loop
    try:
        async with soaked_host() as (host, callers):
            found = await soak(host, callers, wave, goes_on, tell)
    finally:
        stop_logs()
    wrong = faults(found, hours)
    _write(out, report(found, wave))
    for fault in wrong:
        _say(f"FAILED: {fault}")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    _say(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="in all, unless --hours is given")
    parser.add_argument("--wave", type=int, default=15, help="calls at once")
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--out", type=Path, default=Path("build/soak.md"))
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        raise SystemExit(runner.run(_main(options.calls, options.wave, options.hours, options.out)))
