"""Calls by phone under load: ``python -m tests.load.media_streams``.

The host, on one core, and the stub providers are processes of their own; Twilio and the people on its lines are here,
on another core. Two kinds of level: conversations (how long until the first sound of an answer, how soon a barge-in
throws our voice away), and many streams at once (is any piece of sound lost, does any voice stutter). A row whose lines
lagged is void: it says nothing about the host.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

import aiohttp
import psutil

from openclaw_actors import garbage
from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load_report import LAG_LIMIT_MS, percentile
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.twilio.exchange import Exchange
from openclaw_actors.testkit.speakers import Speech, flite
from tests.load.stubs import CONFIG, OBJECTION, QUESTION, go_first, pin, stub_process

LISTEN_S = 1.0
"""Into the reply before it is spoken over."""

PUBLIC_URL = "https://voice.example.org"
AUTH_TOKEN = "only-for-this-benchmark"
METRICS_TOKEN = "metrics"
MANY = 20
QUESTIONS_A_SECOND = 4.0
"""Of so many callers, in turn and not in chorus: of 50, each asks something every quarter of a minute."""
APART_S = 0.0524
"""Between two that call: lines tick every 20 ms, and people's are not in step. 50 ms would put a hundred lines of two
hundred on the same tick."""
STUTTER_S = 0.3
"""An empty buffer for less than this, with more sound after it, is a stutter; for longer, it is another reply."""

# Who waits for their turn to ask is not asked whether they are there.
PHONE = f"""
[twilio]
account_sid = "AC00000000000000000000000000000000"
auth_token = "{AUTH_TOKEN}"
from_number = "+15550100002"
[numbers]
inbound_policy = "open"
minutes_per_day = 0
[calls]
silent_after_s = 0
idle_timeout_s = 600
[auth]
tokens = ["{METRICS_TOKEN}"]
"""


@dataclass(frozen=True)
class Row:
    """One level; milliseconds, except where the name says otherwise."""

    streams: int
    turns: int
    unanswered: int
    turn_p50: float
    turn_p95: float
    clear_p50: float
    clear_p95: float
    lost_pieces: int
    stutters: int
    longest_lead: float
    own_lag_p99: float
    cpu_percent_per_call: float
    rss_mb: float

    @property
    def void(self) -> bool:
        """The lines were late themselves."""
        return self.own_lag_p99 > LAG_LIMIT_MS


@dataclass
class Tally:
    """What the people of one level measured, in seconds."""

    turns: list[float]
    clears: list[float]
    unanswered: int = 0


async def converse(line: Line, rounds: int, question: Speech, objection: Speech | None, tally: Tally) -> None:
    """Ask, listen a moment, speak over the reply if there is an ``objection``; hear the end, and again."""
    for _ in range(rounds):
        try:
            utterance = await line.say(question)
            tally.turns.append(await line.wait_media(10, after=utterance.ended_at) - utterance.ended_at)
            if objection is not None:
                await line.wait_voice(10, after=utterance.ended_at)
                await line.wait(LISTEN_S)
                over = line.start_saying(objection)
                await over.done
                tally.clears.append(await line.wait_clear(5, after=over.began_at) - over.began_at)
                await line.wait_voice(10, after=over.ended_at)
            await line.wait_silence(60)
        except TimeoutError:
            tally.unanswered += 1


@asynccontextmanager
async def lines(exchange: Exchange, count: int) -> AsyncIterator[list[Line]]:
    """``count`` phones that have called, one after another."""
    called = [Line(exchange, f"+1555010{1000 + n}", keep_audio=False) for n in range(count)]

    async def dial(number: int, line: Line) -> None:
        await asyncio.sleep(number * APART_S)
        await line.dial()

    try:
        async with asyncio.TaskGroup() as dialling:
            for number, line in enumerate(called):
                dialling.create_task(dial(number, line))
        yield called
    finally:
        await asyncio.gather(*(line.hang_up() for line in called), return_exceptions=True)


async def lost_pieces(host: HostProcess) -> int:
    """Pieces of sound that the host says never came."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(f"{host.url}/metrics") as response:
        text = await response.text()
    counts = [line.split()[-1] for line in text.splitlines() if line.startswith("openclaw_actors_rtp_packets_lost_t")]
    return int(float(counts[0])) if counts else 0


async def measure(
    host: HostProcess,
    exchange: Exchange,
    count: int,
    rounds: int,
    every_s: float,
    question: Speech,
    objection: Speech | None,
) -> Row:
    """One level; of many streams one asks each ``every_s`` seconds, or as soon as it has heard its last answer."""
    tally = Tally([], [])
    process = psutil.Process(host.pid)
    lost_before = await lost_pieces(host)
    async with lines(exchange, count) as called:
        await asyncio.sleep(1)  # set-up is no part of a call's running cost
        for line in called:
            line.stream.pacing.lags.clear()
        began, cpu = time.monotonic(), sum(process.cpu_times()[:2])

        async def talk(number: int, line: Line) -> None:
            """A few converse without a pause; of many, each asks when its turn has come round again."""
            if count < MANY:
                await asyncio.sleep(number / count)
                await converse(line, rounds, question, objection, tally)
                return
            for turn in range(number, rounds * count, count):
                await asyncio.sleep(max(0.0, began + turn * every_s - time.monotonic()))
                await converse(line, 1, question, objection, tally)

        await asyncio.gather(*(talk(n, line) for n, line in enumerate(called)))
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
        rss = process.memory_info().rss
        lost = await lost_pieces(host) - lost_before
        streams = [line.stream for line in called]
    turns, clears = ([1000 * s for s in values] for values in (tally.turns, tally.clears))
    return Row(
        streams=count,
        turns=len(turns),
        unanswered=tally.unanswered,
        turn_p50=percentile(turns, 50),
        turn_p95=percentile(turns, 95),
        clear_p50=percentile(clears, 50),
        clear_p95=percentile(clears, 95),
        lost_pieces=lost,
        stutters=sum(gap < STUTTER_S for stream in streams for gap in stream.gaps),
        longest_lead=max(1000 * stream.longest_lead_s for stream in streams),
        own_lag_p99=percentile([1000 * stream.pacing.p99() for stream in streams], 50),
        cpu_percent_per_call=100 * cpu / seconds / count,
        rss_mb=rss / 2**20,
    )


async def run(levels: Sequence[int], rounds: int, many: Sequence[int], every_s: float) -> list[Row]:
    """All levels one after another on one host, then those of ``many`` streams, which are not spoken over."""
    question, objection = flite(QUESTION), flite(OBJECTION, "rms")
    _ = question.pcmu_packets, objection.pcmu_packets
    pin(os.getpid(), 1)  # and the stubs; the host is moved
    garbage.settle()
    async with stub_process() as stub_url:
        config = CONFIG.format(url=stub_url).replace(
            "port = 0", f'port = 0\npublic_url = "{PUBLIC_URL}"\nmax_calls = {2 * max(*many, *levels, 1)}'
        )
        async with HostProcess(config + PHONE) as host, Exchange(PUBLIC_URL, host.url, AUTH_TOKEN) as exchange:
            pin(host.pid, 0)
            go_first()
            rows = [await measure(host, exchange, count, rounds, every_s, question, objection) for count in levels]
            few = max(1, rounds // 3)
            return rows + [await measure(host, exchange, count, few, every_s, question, None) for count in many]


def table(rows: Sequence[Row]) -> str:
    """The rows as markdown."""
    headings = (
        "streams | turns | turn p50 / p95 ms | barge-in to clear p50 / p95 ms | lost pieces | stutters | lead ms | "
        "CPU per call | RSS MB | own lag p99 ms"
    )
    lines = [f"| {headings} |", "|---" * len(headings.split(" | ")) + "|"]
    for r in rows:
        unanswered = f" ({r.unanswered} unanswered)" if r.unanswered else ""
        void = " **void**" if r.void else ""
        lines.append(
            f"| {r.streams} | {r.turns}{unanswered} | {r.turn_p50:.0f} / {r.turn_p95:.0f} | {r.clear_p50:.0f} / "
            f"{r.clear_p95:.0f} | {r.lost_pieces} | {r.stutters} | {r.longest_lead:.0f} | "
            f"{r.cpu_percent_per_call:.1f} % | {r.rss_mb:.0f} | {r.own_lag_p99:.1f}{void} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when a goal was missed or a turn stayed unanswered, 2 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="*", default=[1, 4], help="conversations at once, a row each")
    parser.add_argument("--turns", type=int, default=6, help="questions (and interruptions) a caller")
    parser.add_argument("--many", type=int, nargs="*", default=[10, 50, 100, 200], help="streams at once, a row each")
    parser.add_argument("--questions", type=float, default=QUESTIONS_A_SECOND, help="a second, of many streams")
    parser.add_argument("--max-turn-ms", type=float, default=400, help="goal for the turns' p50")
    parser.add_argument("--max-clear-ms", type=float, default=150, help="goal for the clears' p95")
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of a table")
    options = parser.parse_args(argv)
    if options.questions <= 0:
        parser.error("--questions must be more than 0")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:  # as `serve` does: the callers must not be late
        rows = runner.run(run(options.calls, options.turns, options.many, 1 / options.questions))
    text = json.dumps([asdict(row) | {"void": row.void} for row in rows], indent=2) if options.json else table(rows)
    sys.stdout.write(text + "\n")
    if any(row.void for row in rows):
        return 2
    whole = all(not (row.unanswered or row.lost_pieces or row.stutters) for row in rows)
    talks = rows[: len(options.calls)]
    fast = all(row.turn_p50 <= options.max_turn_ms and row.clear_p95 <= options.max_clear_ms for row in talks)
    return 0 if whole and fast else 1


if __name__ == "__main__":
    sys.exit(main())
