"""How long a caller waits, mouth to ear, and how soon the agent falls silent: ``python -m tests.load.turn_latency``.

The host and the stub providers are processes of their own; the scripted callers are here. The stubs' delays are the
ones on which the peers were measured (STT 50 ms, first token 100 ms, 10 ms a token, TTS 50 ms, a voice that begins
with 185 ms of silence), so that rows can be laid side by side. A row whose callers lagged is void: it says nothing
about the host.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import quantiles

import psutil

from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.speakers import Speech, flite

LAG_LIMIT_MS = 10.0
"""A caller whose own packets leave later than this measures itself."""
LISTEN_S = 1.0
"""Into the reply before it is spoken over."""
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
"""


@dataclass(frozen=True)
class Row:
    """One level of load; milliseconds, except where the name says otherwise."""

    calls: int
    turns: int
    unanswered: int
    turn_p50: float
    turn_p95: float
    barge_in_p50: float
    barge_in_p95: float
    own_lag_p99: float
    longest_gap: float
    lost_packets: int
    cpu_percent_per_call: float
    rss_mb: float

    @property
    def void(self) -> bool:
        """The callers were late themselves."""
        return self.own_lag_p99 > LAG_LIMIT_MS


def percentile(values: Sequence[float], percent: int) -> float:
    """In the unit of ``values``; nan without any."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


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


@dataclass
class Tally:
    """What the callers of one level measured, in seconds."""

    turns: list[float]
    barge_ins: list[float]
    unanswered: int = 0


async def converse(caller: Caller, rounds: int, question: Speech, objection: Speech, tally: Tally) -> None:
    """Ask, listen a moment, speak over the reply; let the reply to that end, and again."""
    for _ in range(rounds):
        try:
            answer = await caller.ask(question, 10)
            tally.turns.append(answer.latency_s)
            await caller.wait(LISTEN_S)
            interruption = await caller.talk_over(objection)
            tally.barge_ins.append(interruption.latency_s)
            await caller.wait_voice(10, after=interruption.utterance.ended_at)
            await caller.wait_silence(60)
        except TimeoutError:
            tally.unanswered += 1


async def measure(host: HostProcess, count: int, rounds: int, question: Speech, objection: Speech) -> Row:
    """One level: ``count`` callers at once, spread over a second so that they do not speak in chorus."""
    tally = Tally([], [])
    process = psutil.Process(host.pid)
    async with calls(host.url, count, keep_audio=False) as callers:
        await asyncio.sleep(1)  # connected and quiet: set-up is no part of a call's running cost
        for caller in callers:
            caller.mouth.pacing.lags.clear()
        began, cpu = time.monotonic(), sum(process.cpu_times()[:2])

        async def later(number: int, caller: Caller) -> None:
            await asyncio.sleep(number / count)
            await converse(caller, rounds, question, objection, tally)

        await asyncio.gather(*(later(n, caller) for n, caller in enumerate(callers)))
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
        rss = process.memory_info().rss
    turns, barge_ins = ([1000 * s for s in values] for values in (tally.turns, tally.barge_ins))
    return Row(
        calls=count,
        turns=len(turns),
        unanswered=tally.unanswered,
        turn_p50=percentile(turns, 50),
        turn_p95=percentile(turns, 95),
        barge_in_p50=percentile(barge_ins, 50),
        barge_in_p95=percentile(barge_ins, 95),
        own_lag_p99=max(1000 * caller.mouth.pacing.p99() for caller in callers),
        longest_gap=max(1000 * caller.heard.longest_gap_s for caller in callers),
        lost_packets=sum(caller.heard.lost_packets for caller in callers),
        cpu_percent_per_call=100 * cpu / seconds / count,
        rss_mb=rss / 2**20,
    )


async def run(levels: Sequence[int], rounds: int) -> list[Row]:
    """All levels, one after another, on one host."""
    question, objection = flite(QUESTION), flite(OBJECTION, "rms")
    _ = question.packets, objection.packets
    async with stub_process() as stub_url, HostProcess(CONFIG.format(url=stub_url)) as host:
        return [await measure(host, count, rounds, question, objection) for count in levels]


def table(rows: Sequence[Row]) -> str:
    """The rows as markdown."""
    headings = (
        "calls | turns | turn p50 / p95 ms | barge-in p50 / p95 ms | CPU per call | RSS MB | longest gap ms | "
        "own lag p99 ms"
    )
    lines = [f"| {headings} |", "|---" * len(headings.split(" | ")) + "|"]
    for r in rows:
        unanswered = f" ({r.unanswered} unanswered)" if r.unanswered else ""
        void = " **void**" if r.void else ""
        lines.append(
            f"| {r.calls} | {r.turns}{unanswered} | {r.turn_p50:.0f} / {r.turn_p95:.0f} | {r.barge_in_p50:.0f} / "
            f"{r.barge_in_p95:.0f} | {r.cpu_percent_per_call:.1f} % | {r.rss_mb:.0f} | {r.longest_gap:.0f} | "
            f"{r.own_lag_p99:.1f}{void} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when a goal was missed or a turn stayed unanswered, 2 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 4], help="callers at once, a row each")
    parser.add_argument("--turns", type=int, default=6, help="questions (and interruptions) a caller")
    parser.add_argument("--max-turn-ms", type=float, default=650, help="goal for the turns' p50")
    parser.add_argument("--max-barge-in-ms", type=float, default=300, help="goal for the interruptions' p50")
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of a table")
    options = parser.parse_args(argv)
    rows = asyncio.run(run(options.calls, options.turns))
    text = json.dumps([asdict(row) | {"void": row.void} for row in rows], indent=2) if options.json else table(rows)
    sys.stdout.write(text + "\n")
    if any(row.void for row in rows):
        return 2
    met = all(
        row.turn_p50 <= options.max_turn_ms and row.barge_in_p50 <= options.max_barge_in_ms and not row.unanswered
        for row in rows
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
