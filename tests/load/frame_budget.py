"""Where the 20 ms of a call go: ``python -m tests.load.frame_budget`` (``--phone``: of a media stream).

py-spy looks at the host 250 times a second while callers converse as in ``loadtest``. Each sample belongs to the first
part below that a frame of its stack is of, from the innermost outward; those of threads that wait, and of the event
loop itself, which may, are left out. What the others weigh together is the time of the processor that the host took, so
the parts add up to what a call costs: each has its part of what the loop and the kernel do. Host and callers have a
core each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path

import psutil

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import Load, LoadPlan
from openclaw_actors.testkit.providers.twilio.exchange import Exchange
from tests.load.density import ROUND_S
from tests.load.media_streams import AUTH_TOKEN, PHONE, PUBLIC_URL, Tally, converse, lines
from tests.load.stubs import CONFIG, pin, stub_process
from tests.load.turn_latency import speech

FRAMES_A_SECOND = 50

PARTS: tuple[tuple[str, str], ...] = (
    ("voice detector (Silero)", r"turns/vad\.py|onnxruntime"),
    ("echo guard", r"turns/echo\.py|media/sent_voice\.py"),
    ("endpointing", r"turns/endpointing\.py|turns/endpoint_delay\.py|actors/turns\.py"),
    ("decoding", r"media/decoders\.py|media/mulaw\.py"),
    (
        "encoding the answer",
        r"media/(codecs|packets|libopus|resample|voice_stream|trim)\.py|engines/tts/rendering",
    ),
    ("SRTP both ways", r"pylibsrtp"),
    ("sending datagrams", r"send_datagram|sendto|_send \(\S*webrtc/datagrams"),
    (
        "jitter buffer and time line",
        r"media/jitter\.py|transports/timeline\.py|media/concealment\.py|transports/inbound\.py",
    ),
    ("playout and its clock", r"media/playout\.py|webrtc/outbound\.py|webrtc/pacer\.py"),
    ("receiving datagrams", r"datagram_received|webrtc/datagrams\.py|aiortc_private\.py|udp_recv|uv__udp"),
    ("RTP counts, RTCP, DTLS, ICE, data channel", r"aiortc/|aioice/|OpenSSL|data_channel\.py"),
    ("carrier's JSON and base64", r"media_streams/(reading|twilio|telnyx|plivo)\.py"),
    ("carrier's stream", r"media_streams/|api/stream_socket\.py|sent_ahead"),
    ("WebSocket", r"_websocket|web_ws\.py"),
    ("metrics", r"prometheus_client"),
    ("logs", r"structlog|logging/"),
    ("recogniser, model, voice: HTTP", r"engines/|aiohttp/"),
    ("records, events, webhooks", r"store/|sqlalchemy|sqlite|webhooks/|actors/recorder\.py|actors/events\.py"),
    (
        "call, floor, stages",
        r"openclaw_actors/actors/(call|floor|stt|tts|agent|course|latency|memory|transport|peer_ear)",
    ),
    ("turn rules", r"openclaw_actors/turns/"),
    ("mail between actors", r"actors/loop_actor\.py|actors/stage\.py|actors/supervision\.py|pykka/"),
    ("the event loop", r"uvloop|asyncio/|uv__|epoll"),
    ("collecting garbage", r"gc_collect"),
)
"""A part's name, and the files and functions that it is made of, the more particular first."""


WAITS = r"asyncio/runners\.py|concurrent/futures/thread\.py|threading\.py|queue\.py"
"""The innermost frames of a thread that waits, or of a loop that may: py-spy takes both for busy, of some Pythons."""


def part_of(stack: str) -> str | None:
    """Of a collapsed stack, ``outermost;...;innermost``; None: it may have waited."""
    frames = stack.split(";")
    if re.search(WAITS, frames[-1]):
        return None
    for frame in reversed(frames):
        for name, pattern in PARTS:
            if re.search(pattern, frame):
                return name
    return "the rest"


@asynccontextmanager
async def watched(pid: int, seconds: float) -> AsyncIterator[Counter[str]]:
    """Samples by part, of ``seconds`` from now on; filled when the context is left."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stacks"
        command = ("py-spy", "record", "-p", str(pid), "-d", f"{seconds:.0f}", "-r", "250", "-f", "raw", "-o", str(out))
        quiet = asyncio.subprocess.DEVNULL
        spy = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / command[0]),
            *command[1:],
            "--threads",
            "--full-filenames",
            stdout=quiet,
            stderr=quiet,
        )
        pin(spy.pid, 1)
        yield found
        await spy.wait()
        for line in out.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            part = part_of(stack)
            if part is not None:
                found[part] += int(count)


async def webrtc(host: HostProcess, calls: int, seconds: float) -> tuple[Counter[str], float]:
    """Callers over WebRTC; samples, and what part of a core the host took."""
    question, objection = speech()
    plan = LoadPlan(question, objection, calls, turns=ceil(seconds / ROUND_S), ramp_s=ROUND_S)
    steady = asyncio.Event()
    callers = [Caller(host.url, keep_audio=False) for _ in range(calls)]
    talking = asyncio.create_task(Load(plan, callers, on_steady=steady.set).run())
    await steady.wait()
    found, share = await look(host, seconds)
    await talking
    return found, share


async def phone(host: HostProcess, calls: int, seconds: float) -> tuple[Counter[str], float]:
    """The same of Twilio's media streams: one question after another, each caller 10 s after its last."""
    question, _ = speech()
    _ = question.pcmu_packets
    async with Exchange(PUBLIC_URL, host.url, AUTH_TOKEN) as exchange, lines(exchange, calls) as called:

        async def talk(number: int) -> None:
            await asyncio.sleep(10 * number / calls)
            while True:
                await converse(called[number], 1, question, None, Tally([], []))

        talking = [asyncio.create_task(talk(number)) for number in range(calls)]
        await asyncio.sleep(2)
        found, share = await look(host, seconds)
        for each in talking:
            each.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        return found, share


async def look(host: HostProcess, seconds: float) -> tuple[Counter[str], float]:
    process = psutil.Process(host.pid)
    began, cpu = time.monotonic(), sum(process.cpu_times()[:2])
    async with watched(host.pid, seconds) as found:
        await asyncio.sleep(seconds)
        share = (sum(process.cpu_times()[:2]) - cpu) / (time.monotonic() - began)
    return found, share


def table(found: Counter[str], share: float, calls: int) -> str:
    """Microseconds of a call's 20 ms."""
    total = sum(found.values()) or 1
    whole = 1e6 * share / calls / FRAMES_A_SECOND
    rows = [
        f"| {name} | {whole * count / total:.0f} | {100 * count / total:.0f} % |" for name, count in found.most_common()
    ]
    head = [f"| {calls} calls, {100 * share / calls:.2f} % of a core each | µs of a 20 ms frame | |", "|---|--:|--:|"]
    return "\n".join([*head, *rows, f"| together | {whole:.0f} | |"])


async def run(calls: int, seconds: float, *, by_phone: bool) -> str:
    pin(os.getpid(), 1)
    async with stub_process() as stub:
        config = CONFIG.format(url=stub).replace("port = 0", "port = 0\nmax_calls = 500")
        if by_phone:
            config = config.replace("port = 0", f'port = 0\npublic_url = "{PUBLIC_URL}"') + PHONE
        async with HostProcess(config) as host:
            pin(host.pid, 0)
            found, share = await (phone if by_phone else webrtc)(host, calls, seconds)
            return table(found, share, calls)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--phone", action="store_true")
    options = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        sys.stdout.write(runner.run(run(options.calls, options.seconds, by_phone=options.phone)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
