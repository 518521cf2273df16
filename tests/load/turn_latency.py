"""How long a caller waits, mouth to ear, and how soon the agent falls silent: ``python -m tests.load.turn_latency``.

The host and the stub providers are processes of their own; the scripted callers are here. A row whose callers lagged
is void: it says nothing about the host.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import sys
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from openclaw_actors import garbage
from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import Load, LoadPlan
from openclaw_actors.testkit.load_report import LoadReport, percentile
from openclaw_actors.testkit.load_target import Meter, ProcessTarget
from openclaw_actors.testkit.speakers import Speech, flite
from tests.load.stubs import CONFIG, OBJECTION, QUESTION, stub_process

CLAUSE = "It is sunny in Paris today,"
FIRST_CLAUSE_TOKENS = 6
"""Tokens behind the first until there is a phrase to speak: "It is sunny in Paris today," ends where " with" begins."""


@dataclass(frozen=True)
class Row:
    """One level of load, and what the host says of it."""

    report: LoadReport
    own_p50_ms: float
    own_p95_ms: float
    """What our own stages add to a turn: see ``own_ms``."""
    used: int
    wasted: int
    """Early replies that were spoken, and that were thrown away."""

    def as_dict(self) -> dict[str, Any]:
        own = {"own_p50_ms": round(self.own_p50_ms, 1), "own_p95_ms": round(self.own_p95_ms, 1)}
        return self.report.as_dict() | own | {"speculations_used": self.used, "speculations_wasted": self.wasted}


async def stubs_ms(base_url: str, question: Speech, rounds: int = 10) -> float:
    """What a bare client waits for the stubs on this machine, now: the words, the first clause, its first sound."""
    wav = io.BytesIO()
    with wave.open(wav, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(question.pcm)
    chat = {"model": "stub", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
    waited: list[float] = []
    async with aiohttp.ClientSession() as session:
        for _ in range(rounds):
            began = time.monotonic()
            form = aiohttp.FormData({"model": "stub"})
            form.add_field("file", wav.getvalue(), filename="q.wav")
            async with session.post(f"{base_url}/audio/transcriptions", data=form) as response:
                await response.read()
            async with session.post(f"{base_url}/chat/completions", json=chat) as response:
                for _ in range(2 * (1 + FIRST_CLAUSE_TOKENS)):  # an event is a line and an empty one
                    await response.content.readline()
                thought = time.monotonic()
                await response.read()
            asked = time.monotonic()
            async with session.post(f"{base_url}/audio/speech", json={"model": "stub", "input": CLAUSE}) as response:
                await response.content.readany()
                spoken = time.monotonic()
                await response.read()
            waited.append(1000 * (thought - began + spoken - asked))
    return percentile(waited, 50)


def own_ms(marks: Mapping[str, int], stubs: float) -> float:
    """What our stages add: when the voice was ready, beyond the time that the stubs and the silence make it.

    The reply can be heard when both the turn has ended and the road from the likely end through the stubs is done. The
    next packet on the grid of 20 ms takes it, 10 ms later on average: that is the codec's frame, and not in it.
    """
    ready = max(marks["end_of_turn"], marks["first_audio"])
    return max(0.0, ready - max(marks["end_of_turn"], marks["likely_end"] + stubs))


async def measure(url: str, pid: int, plan: LoadPlan) -> tuple[LoadReport, list[Caller]]:
    """One level of load on the host at ``url``, whose process is ``pid``."""
    callers = [Caller(url, name=f"caller {n + 1}", keep_audio=False, direct=True) for n in range(plan.calls)]
    meter = Meter(ProcessTarget(pid))
    garbage.settle()
    tally = await Load(plan, callers, meter=meter).run()
    return LoadReport.of(plan, tally, callers, meter), callers


async def _speculations(url: str) -> tuple[int, int]:
    """Used and wasted so far, by the host's own count."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        text = await response.text()
    found = dict(re.findall(r'^openclaw_actors_speculations_total\{result="(\w+)"\} (\S+)', text, re.MULTILINE))
    return round(float(found["used"])), round(float(found["wasted"]))


async def row(host: HostProcess, stub_url: str, plan: LoadPlan) -> Row:
    """One level on our host."""
    stubs = await stubs_ms(stub_url, plan.question)
    used, wasted = await _speculations(host.url)
    report, callers = await measure(host.url, host.pid, plan)
    now_used, now_wasted = await _speculations(host.url)
    turns = [event.data["marks"] for c in callers for event in c.events if event.type == "call.turn.completed"]
    own = [own_ms(marks, stubs) for marks in turns if "first_audio" in marks]
    return Row(report, percentile(own, 50), percentile(own, 95), now_used - used, now_wasted - wasted)


def speech() -> tuple[Speech, Speech]:
    """The question and the objection, encoded before anything is measured."""
    spoken = flite(QUESTION), flite(OBJECTION, "rms")
    for each in spoken:
        _ = each.packets
    return spoken


async def run(levels: Sequence[int], rounds: int) -> list[Row]:
    """All levels, one after another, on one host."""
    question, objection = speech()
    async with stub_process() as stub_url, HostProcess(CONFIG.format(url=stub_url)) as host:
        return [await row(host, stub_url, LoadPlan(question, objection, calls, rounds)) for calls in levels]


def table(rows: Sequence[Row]) -> str:
    """The rows as markdown."""
    headings = (
        "calls | turns | turn p50 / p95 ms | barge-in p50 / p95 ms | our own p50 / p95 ms | early replies used / "
        "wasted | CPU per call | RSS MB | longest gap ms | own lag p99 ms"
    )
    lines = [f"| {headings} |", "|---" * len(headings.split(" | ")) + "|"]
    for each in rows:
        r = each.report
        unanswered = f" ({r.unanswered} unanswered)" if r.unanswered else ""
        void = " **void**" if r.void else ""
        lines.append(
            f"| {r.calls} | {r.turn.count}{unanswered} | {r.turn.p50:.0f} / {r.turn.p95:.0f} | {r.barge_in.p50:.0f} / "
            f"{r.barge_in.p95:.0f} | {each.own_p50_ms:.0f} / {each.own_p95_ms:.0f} | {each.used} / {each.wasted} | "
            f"{r.cpu_percent_per_call or 0:.1f} % | {r.rss_mb:.0f} | {r.longest_gap_ms:.0f} | "
            f"{r.own_lag_p99_ms:.1f}{void} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when a goal was missed or a turn stayed unanswered, 2 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 12], help="callers at once, a row each")
    parser.add_argument("--turns", type=int, default=6, help="questions (and interruptions) a caller")
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of a table")
    for name, goal in GOALS_MS.items():
        parser.add_argument(f"--{name.replace('_', '-')}-ms", type=float, default=goal, help=f"goal, default {goal}")
    options = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:  # asyncio's own takes one datagram a turn
        rows = runner.run(run(options.calls, options.turns))
    text = json.dumps([each.as_dict() for each in rows], indent=2) if options.json else table(rows)
    sys.stdout.write(text + "\n")
    if any(each.report.void for each in rows):
        return 2
    return 0 if all(_met(each, options) for each in rows) else 1


GOALS_MS = {"turn_p50": 450.0, "turn_p95": 550.0, "barge_in_p95": 250.0, "own_p95": 20.0}


def _met(each: Row, options: argparse.Namespace) -> bool:
    report = each.report
    return (
        report.whole
        and report.turn.p50 <= options.turn_p50_ms
        and report.turn.p95 <= options.turn_p95_ms
        and report.barge_in.p95 <= options.barge_in_p95_ms
        and each.own_p95_ms <= options.own_p95_ms
    )


if __name__ == "__main__":
    sys.exit(main())
