"""How long a caller's sound is on its way to the Stt: ``python -m tests.load.one_way``.

Callers, in a process of their own, send beeps and note when each packet left; the host, which is this process, notes
when the frame with the beep is in the ring that the Stt reads. Both clocks are the machine's one monotonic clock. What
is measured is the network, the socket, SRTP, the jitter buffer, the decoder and the way to the Transport. A caller's
own packet is 20 ms of sound, which must be over before it can leave: mouth to Stt is that much more, on any host.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from openclaw_actors.actors.memory import AudioRing
from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.messages import FRAME, SAMPLE_RATE, AudioIn
from openclaw_actors.observability.logs import configure_logs
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Logs
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.load_report import percentile
from openclaw_actors.testkit.speakers import Speech
from tests.load.stubs import CONFIG, pin, stub_process

PACKET_MS = 20.0
GOAL_MS = 30.0
"""From mouth to Stt, p50, without loss."""
BEEPS, PAUSE_S = 40, (0.2, 0.3)
_LOUD = 3_000
"""Of 32,767: a beep is louder, and nothing else is said."""


def beep() -> Speech:
    """One packet of 1 kHz. Opus looks 6.5 ms ahead, so the beep begins that much into it and ends in the next."""
    tone = 16_000 * np.sin(2 * np.pi * 1_000 * np.arange(FRAME) / SAMPLE_RATE)
    return Speech(tone.astype(np.int16).tobytes() + bytes(4 * FRAME))


@contextmanager
def arrivals() -> Iterator[dict[int, list[float]]]:
    """When beeps came, by the ring of the call that they came into."""
    came: dict[int, list[float]] = {}
    write = AudioRing.write

    def noted(ring: AudioRing, frame: AudioIn) -> None:
        write(ring, frame)
        now = time.monotonic()
        times = came.setdefault(id(ring), [])
        loud = int(np.abs(np.frombuffer(frame.pcm, np.int16).astype(np.int32)).max()) > _LOUD
        if loud and (not times or now - times[-1] > PAUSE_S[0] / 2):
            times.append(now)

    AudioRing.write = noted
    try:
        yield came
    finally:
        AudioRing.write = write


async def call(url: str) -> list[float]:
    """One caller: when its beeps left."""
    sound, left = beep(), []
    async with Caller(url, keep_audio=False) as caller:
        await asyncio.sleep(1)
        for _ in range(BEEPS):
            utterance = caller.mouth.say(sound)
            await utterance.done
            left.append(utterance.began_at)
            await asyncio.sleep(random.uniform(*PAUSE_S))  # so that no phase of anybody's clock is favoured
        await asyncio.sleep(0.5)
    return left


async def callers(url: str, calls: int) -> None:
    """The other process: a line with the times of each call."""
    for left in await asyncio.gather(*(call(url) for _ in range(calls))):
        sys.stdout.write(" ".join(f"{each:.6f}" for each in left) + "\n")


async def measure(stub: str, calls: int, jitter_buffer: str) -> list[float]:
    """Milliseconds from a packet's departure to the ring, of every beep that came."""
    with TemporaryDirectory() as folder, arrivals() as came:
        config = Path(folder) / "host.toml"
        config.write_text(CONFIG.format(url=stub) + f'[webrtc]\njitter_buffer = "{jitter_buffer}"\n')
        async with running_host(load_settings(config, {})) as host:
            pin(os.getpid(), 0)
            command = (sys.executable, "-m", "tests.load.one_way", "--call", host.url, "--calls", str(calls))
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            pin(process.pid, 1)
            told = (await process.communicate())[0].decode()
    left = [[float(word) for word in line.split()] for line in told.splitlines()]
    rings = [times for times in came.values() if len(times) == BEEPS]
    return [1000 * late for each in left for late in min((lateness(each, times) for times in rings), key=spread)]


def lateness(left: Sequence[float], came: Sequence[float]) -> list[float]:
    """Of each beep, if these are the same."""
    return [there - here for here, there in zip(left, came, strict=True)]


def spread(values: Sequence[float]) -> float:
    """Small for a caller's own ring alone: the pauses are random."""
    return max(values) - min(values)


async def run(levels: Sequence[int]) -> bool:
    """Print the table; whether the goal was met with our own buffer."""
    fine = True
    sys.stdout.write(
        "| jitter buffer | calls | packet to Stt p50 / p95 ms | mouth to Stt p50 ms |\n|---|--:|--:|--:|\n"
    )
    async with stub_process() as stub:
        for buffer, calls in [*(("adaptive", level) for level in levels), ("stock", levels[0])]:
            took = await measure(stub, calls, buffer)
            p50, p95 = percentile(took, 50), percentile(took, 95)
            sys.stdout.write(f"| {buffer} | {calls} | {p50:.1f} / {p95:.1f} | {p50 + PACKET_MS:.0f} |\n")
            fine &= buffer == "stock" or p50 + PACKET_MS <= GOAL_MS
    return fine


def main(argv: Sequence[str] | None = None) -> int:
    """1 when the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--call", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    configure_logs(Logs(level="error"))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if options.call:
            runner.run(callers(options.call, options.calls[0]))
            return 0
        return 0 if runner.run(run(options.calls)) else 1


if __name__ == "__main__":
    sys.exit(main())
