"""What scrapes cost a host that has calls: ``python -m tests.load.scrapes``. A thousand of them, with 20 callers.

The callers converse twice, once with nobody who scrapes: what they hear then is what scrapes must not change.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import Load, LoadPlan
from openclaw_actors.testkit.load_report import LoadReport, percentile
from openclaw_actors.testkit.load_target import Meter, ProcessTarget
from tests.load.stubs import CONFIG, QUESTION, stub_process
from tests.load.turn_latency import speech

GOAL_P95_MS = 50.0
PACKET_MS = 20.0


@dataclass
class Scrapes:
    """What they took, in ms, and how much they brought."""

    every_s: float
    wanted: int
    took_ms: list[float] = field(default_factory=list)
    series: int = 0
    bytes: int = 0

    async def run(self, url: str) -> None:
        """Scrape until there are enough."""
        async with aiohttp.ClientSession() as session:
            while len(self.took_ms) < self.wanted:
                began = time.perf_counter()
                async with session.get(f"{url}/metrics") as answer:
                    text = await answer.text()
                self.took_ms.append(1000 * (time.perf_counter() - began))
                self.series = sum(not line.startswith("#") for line in text.splitlines())
                self.bytes = len(text)
                await asyncio.sleep(self.every_s)


async def _converse(host: HostProcess, calls: int, turns: int, scrapes: Scrapes | None) -> LoadReport:
    question, objection = speech()
    plan = LoadPlan(question, objection, calls, turns)
    callers = [Caller(host.url, name=f"caller {n + 1}", keep_audio=False, direct=True) for n in range(calls)]
    meter = Meter(ProcessTarget(host.pid))
    scraping: list[asyncio.Task[None]] = []

    def steady() -> None:
        if scrapes is not None:
            scraping.append(asyncio.create_task(scrapes.run(host.url)))

    tally = await Load(plan, callers, on_steady=steady, meter=meter).run()
    for task in scraping:
        task.cancel()
    await asyncio.gather(*scraping, return_exceptions=True)
    return LoadReport.of(plan, tally, callers, meter)


async def run(calls: int, turns: int, wanted: int, every_s: float) -> tuple[LoadReport, LoadReport, Scrapes, int]:
    """Without, and with; and how many series an idle host has."""
    idle, scrapes = Scrapes(0.0, 1), Scrapes(every_s, wanted)
    async with stub_process() as stub_url, HostProcess(CONFIG.format(url=stub_url)) as host:
        without = await _converse(host, calls, turns, None)
        await idle.run(host.url)  # what calls create by their labels is there by now
        return without, await _converse(host, calls, turns, scrapes), scrapes, idle.series


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when scrapes are too slow or callers notice them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--scrapes", type=int, default=1000)
    parser.add_argument("--every-s", type=float, default=0.03, help="pause between two")
    options = parser.parse_args(argv)
    without, with_, scrapes, idle = asyncio.run(run(options.calls, options.turns, options.scrapes, options.every_s))
    p50, p95, p99 = (percentile(scrapes.took_ms, q) for q in (50, 95, 99))
    sys.stdout.write(
        f"{len(scrapes.took_ms)} scrapes with {with_.calls} calls ({QUESTION!r}): p50 {p50:.1f} ms, p95 {p95:.1f} ms, "
        f"p99 {p99:.1f} ms, worst {max(scrapes.took_ms):.1f} ms; {scrapes.series} series ({idle} without calls), "
        f"{scrapes.bytes / 1000:.0f} kB\n"
        "| | turn p50 / p95 ms | longest gap ms | packets lost | dropped | CPU of a core |\n|---|--:|--:|--:|--:|--:|\n"
    )
    for name, report in (("nobody scrapes", without), ("1,000 scrapes", with_)):
        sys.stdout.write(
            f"| {name} | {report.turn.p50:.0f} / {report.turn.p95:.0f} | {report.longest_gap_ms:.0f} | "
            f"{report.lost_packets} | {report.dropped} | {report.cpu_percent or 0:.0f} % |\n"
        )
    noticed = with_.longest_gap_ms > without.longest_gap_ms + PACKET_MS or with_.lost_packets > without.lost_packets
    return 1 if noticed or p95 > GOAL_P95_MS or len(scrapes.took_ms) < options.scrapes else 0


if __name__ == "__main__":
    sys.exit(main())
