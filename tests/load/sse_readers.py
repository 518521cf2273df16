"""What followers of a call cost it: ``python -m tests.load.sse_readers``.

One caller converses and measures what it hears. A second call is steered RATE times a second, and READERS programs
follow it by server-sent events; in the last row one more follows it and never reads. The host, the stub providers and
the readers are processes of their own. The goal: rows with readers are the row without, but for noise, and the host's
memory is bounded: the one that never reads is disconnected and costs nothing more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import aiohttp
import psutil

from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import LoadPlan, Sample, Tally, converse
from openclaw_actors.testkit.load_report import LAG_LIMIT_MS, percentile
from openclaw_actors.testkit.speakers import Speech, flite
from tests.load.stubs import CONFIG, OBJECTION, QUESTION, stub_process

DRAIN_S = 5.0
"""For what the kernels hold of a stream that has ended; one that goes on brings more in that time, and no end."""
DEAF_BUFFER = 4_096
"""Bytes that the kernel keeps for the reader that never reads, so that its fault shows soon: the host's own socket
takes some 130 kB, its transport 64 kB and its queue 256 events besides, together a thousand events and some."""


@dataclass(frozen=True)
class Row:
    """One level; milliseconds and MB, except where the name says otherwise."""

    readers: int
    deaf: int
    turns: int
    unanswered: int
    turn_p50: float
    turn_p95: float
    barge_in_p50: float
    longest_gap: float
    lost_packets: int
    own_lag_p99: float
    events_sent: int
    fewest_events_read: int
    deaf_cut: bool
    cpu_percent: float
    rss_growth_mb: float

    @property
    def void(self) -> bool:
        """The caller was late itself."""
        return self.own_lag_p99 > LAG_LIMIT_MS

    @property
    def met(self) -> bool:
        """Nobody missed an event, and the one that never reads is gone."""
        return self.fewest_events_read >= self.events_sent and (not self.deaf or self.deaf_cut)


# --- the readers, in a process of their own -------------------------------------------------------


async def read(url: str, call_id: str, counts: list[int], number: int) -> None:
    """Count the events of one stream until it ends."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(_request(url, call_id))
        await writer.drain()
        while line := await reader.readline():
            counts[number] += line.startswith(b"id: ")
    finally:
        writer.close()


async def never_read(url: str, call_id: str, over: asyncio.Event) -> bool:
    """Ask for the events and take none until it is ``over``; whether the host had ended the stream by then."""
    parts = urlsplit(url)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEAF_BUFFER)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    with deaf:
        await loop.sock_connect(deaf, (parts.hostname, parts.port))
        await loop.sock_sendall(deaf, _request(url, call_id))
        await over.wait()
        # What the kernel still holds comes first; behind it the end, if the host has closed its side.
        try:
            async with asyncio.timeout(DRAIN_S):
                while await loop.sock_recv(deaf, 65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True


def _request(url: str, call_id: str) -> bytes:
    return (
        f"GET /v1/calls/{call_id}/events HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nConnection: close\r\n\r\n".encode()
    )


async def follow(url: str, call_id: str, readers: int, deaf: int) -> None:
    """Read until standard input ends; then print what was read as JSON."""
    counts = [0] * readers
    tasks = [asyncio.create_task(read(url, call_id, counts, number)) for number in range(readers)]
    over = asyncio.Event()
    deaf_ones = [asyncio.create_task(never_read(url, call_id, over)) for _ in range(deaf)]
    loop = asyncio.get_running_loop()
    ended = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    await ended.read()
    fewest = min(counts, default=0)
    over.set()
    cut = all(await asyncio.gather(*deaf_ones))
    for task in tasks:
        task.cancel()
    sys.stdout.write(json.dumps({"fewest": fewest, "cut": cut}) + "\n")


@dataclass
class Followers:
    """The readers' process; ``report`` is there once the context has ended."""

    report: dict[str, int]


@asynccontextmanager
async def followers(url: str, call_id: str, readers: int, deaf: int) -> AsyncIterator[Followers]:
    """Readers that follow a call; none for 0."""
    found = Followers({"fewest": 0, "cut": 0})
    pipe = asyncio.subprocess.PIPE
    command = ("-m", "tests.load.sse_readers", "--follow", url, call_id, str(readers), str(deaf))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)
    try:
        await asyncio.wait_for(process.stdout.readline(), 30)
        yield found
    finally:
        process.stdin.close()
        said = await process.stdout.read()
        await process.wait()
    found.report = json.loads(said)


# --- the measurement ------------------------------------------------------------------------------


async def steer(host: HostProcess, call_id: str, rate: float, until: asyncio.Event) -> int:
    """Mute and unmute the call ``rate`` times a second: one event each; how many."""
    sent, began = 0, time.monotonic()
    async with aiohttp.ClientSession(host.url, raise_for_status=True) as session:
        while not until.is_set():
            action = "unmute" if sent % 2 else "mute"
            async with session.post(f"/v1/calls/{call_id}/actions/{action}", json={}):
                sent += 1
            await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
    return sent


async def measure(
    host: HostProcess, readers: int, deaf: int, rate: float, rounds: int, speech: tuple[Speech, Speech]
) -> Row:
    """One level, with two calls of its own."""
    tally = Tally()
    plan = LoadPlan(*speech, answer_s=10)
    process = psutil.Process(host.pid)
    async with AsyncExitStack() as stack:
        steered, caller = await stack.enter_async_context(calls(host.url, 2, keep_audio=False))
        following = await stack.enter_async_context(_closing_first(host, steered, readers, deaf))
        await asyncio.sleep(1)  # connected and quiet
        caller.mouth.pacing.lags.clear()
        rss, began, cpu = process.memory_info().rss, time.monotonic(), sum(process.cpu_times()[:2])
        over = asyncio.Event()
        steering = asyncio.create_task(steer(host, steered.call_id, rate, over))
        for _ in range(rounds):
            await converse(caller, plan, tally)
        over.set()
        sent = await steering
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
        await asyncio.sleep(1)  # the last events on their way
        rss = process.memory_info().rss - rss
        lag, gap = caller.mouth.pacing.p99(), caller.heard.longest_gap_s
        lost = caller.heard.lost_packets
    return Row(
        readers=readers,
        deaf=deaf,
        turns=len(tally.turns),
        unanswered=tally.unanswered,
        turn_p50=_percentile_ms(tally.turns, 50),
        turn_p95=_percentile_ms(tally.turns, 95),
        barge_in_p50=_percentile_ms(tally.barge_ins, 50),
        longest_gap=1000 * gap,
        lost_packets=lost,
        own_lag_p99=1000 * lag,
        events_sent=sent if readers else 0,
        fewest_events_read=int(following.report["fewest"]),
        deaf_cut=bool(deaf and following.report["cut"]),
        cpu_percent=100 * cpu / seconds,
        rss_growth_mb=rss / 2**20,
    )


def _percentile_ms(samples: Sequence[Sample], percent: int) -> float:
    return 1000 * percentile([sample.seconds for sample in samples], percent)


@asynccontextmanager
async def _closing_first(host: HostProcess, steered: Caller, readers: int, deaf: int) -> AsyncIterator[Followers]:
    async with followers(host.url, steered.call_id, readers, deaf) as found:
        yield found


async def run(readers: int, rate: float, rounds: int) -> list[Row]:
    """Nobody, the readers, the readers and one that never reads; on one host."""
    speech = flite(QUESTION), flite(OBJECTION, "rms")
    for each in speech:
        _ = each.packets
    levels = ((0, 0), (readers, 0), (readers, 1))
    async with stub_process() as stub_url, HostProcess(CONFIG.format(url=stub_url)) as host:
        return [await measure(host, each, deaf, rate, rounds, speech) for each, deaf in levels]


def table(rows: Sequence[Row]) -> str:
    """The rows as markdown."""
    headings = (
        "readers | turn p50 / p95 ms | barge-in p50 ms | longest gap ms | events: sent, read by the slowest | "
        "deaf one cut off | CPU | RSS growth MB | own lag p99 ms"
    )
    lines = [f"| {headings} |", "|---" * len(headings.split(" | ")) + "|"]
    for r in rows:
        who = f"{r.readers} + {r.deaf} deaf" if r.deaf else str(r.readers)
        void = " **void**" if r.void else ""
        cut = ("yes" if r.deaf_cut else "**no**") if r.deaf else ""
        lines.append(
            f"| {who} | {r.turn_p50:.0f} / {r.turn_p95:.0f} | {r.barge_in_p50:.0f} | {r.longest_gap:.0f} | "
            f"{r.events_sent}, {r.fewest_events_read} | {cut} | {r.cpu_percent:.0f} % | "
            f"{r.rss_growth_mb:.1f} | {r.own_lag_p99:.1f}{void} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when a goal was missed, 2 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=40, help="events a second of the call that is followed")
    parser.add_argument("--turns", type=int, default=4, help="questions (and interruptions) a row")
    parser.add_argument("--slower-ms", type=float, default=60, help="the turns' p50 may be so much slower with readers")
    parser.add_argument("--max-growth-mb", type=float, default=40, help="of the host's memory in one row")
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of a table")
    parser.add_argument("--follow", nargs=4, metavar=("URL", "CALL", "READERS", "DEAF"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.follow:
        url, call_id, readers, deaf = options.follow
        asyncio.run(follow(url, call_id, int(readers), int(deaf)))
        return 0
    rows = asyncio.run(run(options.readers, options.rate, options.turns))
    text = json.dumps([asdict(row) | {"void": row.void} for row in rows], indent=2) if options.json else table(rows)
    sys.stdout.write(text + "\n")
    if any(row.void for row in rows):
        return 2
    alone = rows[0].turn_p50
    met = all(
        row.met and row.turn_p50 - alone <= options.slower_ms and row.rss_growth_mb <= options.max_growth_mb
        for row in rows
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
