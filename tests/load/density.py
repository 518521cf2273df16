"""How many calls one process holds, and what each costs: ``python -m tests.load.density``.

The host has one core to itself, the callers and the stub providers another: what the callers need is not taken from the
host. Each level has a fresh host, so that memory is that of its calls alone. A level whose callers were late is void.
The callers come one by one over a round of their conversation, as people do who know nothing of each other;
``--ramp 1`` lets them all ask within a second, in chorus. With ``--peers`` the smaller levels are measured on Pipecat
and FastRTC too, in turn with ours, and the ratio stands below each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.media.phrase import PACKET_S
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import LoadPlan
from openclaw_actors.testkit.load_report import LoadReport
from openclaw_actors.testkit.load_target import ProcessTarget
from tests.load.density_picture import draw
from tests.load.peer_hosts import PEERS, Peer
from tests.load.stalls import Stall, less_stalls, own_stalls, witnessed
from tests.load.stubs import CONFIG, pin, stub_process
from tests.load.turn_latency import measure, speech

LEVELS = (1, 3, 6, 12, 20, 30, 40)
TURN_GROWTH, BARGE_IN_MS, GAP_MS = 1.2, 300.0, 60.0
"""What a level must keep to be held: turn p95 within 20 % of one call's, barge-in p95, no longer gap of the host's."""
LEAST_ROUNDS = 6
"""Of all callers of a level together: what one caller measures in two rounds has no 95th percentile."""
ROUND_S = 20.0
"""A round of the conversation: question, answer, objection, answer to that."""
BUILD = Path(__file__).parents[2] / "build"


@dataclass(frozen=True)
class Level:
    """One host under one load."""

    host: str
    ready_s: float
    idle_mb: float
    report: LoadReport
    stalls: Sequence[Stall] = ()
    """Of the cores, where the machine ran neither host nor callers; and of the callers' loop."""

    @property
    def own_gap_ms(self) -> float:
        """The longest gap less what the machine, or the callers themselves, lost in it; a packet's time at least."""
        lefts = (less_stalls(*gap, self.stalls) for gap in self.report.longest_gaps)
        return 1000 * max((max(left, PACKET_S) for left in lefts), default=0.0)

    @property
    def mb_per_call(self) -> float:
        """Of resident memory, beyond the host's without a call."""
        return ((self.report.rss_mb or 0) - self.idle_mb) / self.report.calls

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        own = {"host": self.host, "ready_s": round(self.ready_s, 2), "mb_per_call": round(self.mb_per_call, 2)}
        return own | self.report.as_dict() | {"own_gap_ms": round(self.own_gap_ms)}


async def ours(stub: str, plan: LoadPlan) -> Level:
    """One level on a fresh host."""
    began = time.monotonic()
    async with HostProcess(CONFIG.format(url=stub).replace("port = 0", "port = 0\nmax_calls = 200")) as host:
        ready_s = time.monotonic() - began
        return await under_load("ours", ready_s, host.url, host.pid, plan)


async def theirs(peer: Peer, stub: str, plan: LoadPlan) -> Level:
    """The same on another's."""
    began = time.monotonic()
    async with peer.running(stub) as (url, pid):
        ready_s = time.monotonic() - began
        return await under_load(peer.name, ready_s, url, pid, plan)


async def under_load(name: str, ready_s: float, url: str, pid: int, plan: LoadPlan) -> Level:
    """What this fresh host does with that load."""
    pin(pid, 0)
    await measure(url, pid, LoadPlan(plan.question, None, 1, 1))  # what is made once, is made
    idle = (await ProcessTarget(pid).usage()).rss / 2**20
    async with witnessed(0) as host, witnessed(1) as callers, own_stalls() as late:
        report, _ = await measure(url, pid, plan)
    return Level(name, ready_s, idle, report, (*host, *callers, *late))


async def run(levels: Sequence[int], turns: int, ramp_s: float, peers: Sequence[Peer]) -> list[Level]:
    """All levels, each on its own host."""
    question, objection = speech()
    pin(os.getpid(), 1)  # the stubs, which are started by this process, inherit it; hosts are moved
    found: list[Level] = []
    async with stub_process() as stub:
        for calls in levels:
            plan = LoadPlan(question, objection, calls, max(turns, ceil(LEAST_ROUNDS / calls)), ramp_s=ramp_s)
            found.append(await ours(stub, plan))
            sys.stderr.write(row(found[-1]) + "\n")
            for peer in (each for each in peers if calls in each.levels):
                found.append(await theirs(peer, stub, plan))
                sys.stderr.write(row(found[-1]) + "\n")
    return found


def holds(level: Level, first: Level) -> bool:
    """Whether the host held this many calls as well as one."""
    r = level.report
    return (
        r.whole
        and not r.void
        and r.turn.p95 <= TURN_GROWTH * first.report.turn.p95
        and r.barge_in.p95 <= BARGE_IN_MS
        and level.own_gap_ms <= GAP_MS
    )


HEADINGS = (
    "host | calls | set-up p95 ms | turn p50 / p95 ms | barge-in p50 / p95 ms | longest gap, of the host's making ms | "
    "CPU per call | MB per call | own lag p99 ms"
)


def row(level: Level) -> str:
    """One line of the table."""
    r = level.report
    amiss = f" ({r.unanswered} unanswered, {r.dropped} dropped)" if r.unanswered or r.dropped else ""
    void = " **void**" if r.void else ""
    return (
        f"| {level.host} | {r.calls}{amiss} | {r.setup.p95:.0f} | {r.turn.p50:.0f} / {r.turn.p95:.0f} | "
        f"{r.barge_in.p50:.0f} / {r.barge_in.p95:.0f} | {r.longest_gap_ms:.0f}, {level.own_gap_ms:.0f} | "
        f"{r.cpu_percent_per_call or 0:.1f} % | {level.mb_per_call:.1f} | {r.own_lag_p99_ms:.1f}{void} |"
    )


def table(levels: Sequence[Level]) -> str:
    """Markdown, with the ratio to ours below each of another's, and how many calls are held."""
    lines = [f"| {HEADINGS} |", "|---" * len(HEADINGS.split(" | ")) + "|"]
    own = levels[0]
    for level in levels:
        lines.append(row(level))
        if level.host == "ours":
            own = level
        else:
            a, b = own.report, level.report
            lines.append(
                f"| {level.host} takes | {a.calls} | | {b.turn.p50 / a.turn.p50:.1f} times | "
                f"{b.barge_in.p50 / a.barge_in.p50:.1f} times | | "
                f"{(b.cpu_percent or 0) / (a.cpu_percent or 1):.1f} times | | |"
            )
    mine = [level for level in levels if level.host == "ours"]
    held = [level.report.calls for level in mine if holds(level, mine[0])]
    ready = min(level.ready_s for level in mine)
    lines += ["", f"Held as well as one: {max(held, default=0)} calls. Ready in {ready:.1f} s at best."]
    return "\n".join(lines)


def store(levels: Sequence[Level], text: str) -> None:
    """Keep the rows as density.json, .md and .svg in build/."""
    BUILD.mkdir(exist_ok=True)
    rows = [level.as_dict() for level in levels]
    (BUILD / "density.json").write_text(json.dumps(rows, indent=2) + "\n")
    (BUILD / "density.md").write_text(text)
    draw(rows, TURN_GROWTH * levels[0].report.turn.p95, BARGE_IN_MS, BUILD / "density.svg")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print and store; 2 when a level of ours is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=LEVELS)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--ramp", type=float, default=ROUND_S, help="seconds over which the callers come")
    parser.add_argument("--peers", action="store_true", help="Pipecat and FastRTC beside it, installed for it")
    options = parser.parse_args(argv)
    peers = PEERS if options.peers else ()
    versions = "".join(f" {peer.name} is {peer.install()}." for peer in peers)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        levels = runner.run(run(options.calls, options.turns, options.ramp, peers))
    text = f"{table(levels)}{versions}\n"
    store(levels, text)
    sys.stdout.write(text)
    return 2 if any(level.report.void for level in levels if level.host == "ours") else 0


if __name__ == "__main__":
    sys.exit(main())
