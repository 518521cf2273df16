"""What a cluster costs and brings: ``python -m tests.load.cluster_cost``.

Forwarding: the same host is asked on its own port and by way of the front, in turn, so that both have the same noise;
the difference is the front's. Throughput: calls of the quiet line, whose whole cost is the host's (50 frames a second,
voice detection), are added until a host's loop is late; of two hosts on two cores, against one.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiortc import RTCPeerConnection

from openclaw_actors.client import ApiError, Client
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.mouth import Mouth

LATE_S = 0.03
"""A loop that is later than a packet and a half."""
STEP, STEP_S = 40, 4.0
CONFIG = """
[server]
port = 0
max_calls = {most}
[logs]
level = "info"
[limits]
setup_timeout_s = 30
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
[calls]
idle_timeout_s = 3600
no_media_timeout_s = 3600
[store]
url = "sqlite:///{folder}/calls.db"
[cluster]
engine = "ray"
workers = {workers}
"""


@asynccontextmanager
async def cluster(workers: int, most: int = 8) -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of the front, and those of its hosts."""
    with tempfile.TemporaryDirectory() as folder:
        process = HostProcess(CONFIG.format(folder=folder, workers=workers, most=most), start_timeout_s=180)
        async with process:
            found: list[str] = []
            while len(found) < workers:
                await asyncio.sleep(0.5)
                found = sorted(set(re.findall(r'"url": "(http://127[^"]+)".*the host is up', process.log())))
                found = found or sorted(set(re.findall(r'the host is up.*?"url": "(http://127[^"]+)"', process.log())))
            yield process.url, found
            await process.stop(timeout_s=60)


def say(text: str) -> None:
    """Print a line as soon as it is known."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def quantiles(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile, milliseconds."""
    ordered = sorted(times)
    return statistics.median(ordered) * 1000, ordered[round(0.95 * (len(ordered) - 1))] * 1000


async def offered(http: aiohttp.ClientSession, url: str) -> float:
    """How long the answer to an offer took; the call is ended again."""
    pc = RTCPeerConnection()
    try:
        pc.addTrack(Mouth(on_tick=lambda _: None))
        await pc.setLocalDescription(await pc.createOffer())
        body = {"sdp": pc.localDescription.sdp, "type": "offer"}
        began = time.perf_counter()
        async with http.post(f"{url}/webrtc/offer", json=body) as response:
            await response.read()
            took = time.perf_counter() - began
            assert response.status == 200, await response.text()
            location = response.headers["Location"]
        async with http.delete(url + location) as response:
            assert response.status == 200
        return took
    finally:
        await pc.close()


async def read(http: aiohttp.ClientSession, url: str) -> float:
    """How long a question about the host took."""
    began = time.perf_counter()
    async with http.get(f"{url}/v1/me") as response:
        await response.read()
        assert response.status == 200
    return time.perf_counter() - began


async def forwarding(rounds: int) -> None:
    """Print what the front adds."""
    async with cluster(1) as (front, (own,)), aiohttp.ClientSession() as http:
        tasks: dict[str, tuple[Callable, int]] = {
            "GET /v1/me": (read, 5 * rounds),
            "POST /webrtc/offer": (offered, rounds),
        }
        for name, (ask, times) in tasks.items():
            direct: list[float] = []
            through: list[float] = []
            for number in range(times):
                for url, into in ((own, direct), (front, through))[:: 1 if number % 2 else -1]:
                    took = await ask(http, url)
                    if number >= 3:  # what is made once, is made
                        into.append(took)
            (d50, d95), (t50, t95) = quantiles(direct), quantiles(through)
            say(
                f"{name}: direct p50 {d50:.1f} p95 {d95:.1f} ms, through the front p50 {t50:.1f} p95 {t95:.1f} ms: "
                f"adds {t50 - d50:.1f} ms at p50, {t95 - d95:.1f} ms at p95 ({len(direct)} each)"
            )


async def lateness(hosts: Sequence[str]) -> float:
    """The worst lateness of the hosts' loops, in the median second of a step."""
    seen: list[float] = []
    async with aiohttp.ClientSession() as http:
        until = time.monotonic() + STEP_S
        while time.monotonic() < until:
            worst = 0.0
            for host in hosts:
                async with http.get(f"{host}/metrics") as response:
                    text = await response.text()
                worst = max(worst, float(re.search(r"(?m)^openclaw_actors_event_loop_lag_seconds (\S+)", text)[1]))
            seen.append(worst)
            await asyncio.sleep(1)
    return statistics.median(seen)


async def held(workers: int) -> int:
    """How many calls of the quiet line are held before a loop is late."""
    async with cluster(workers, most=400) as (front, hosts), Client(front, timeout_s=30) as client:
        calls = 0
        while True:
            try:
                for _ in range(STEP):
                    await client.place("test")
            except ApiError as refusal:
                say(f"  {workers} hosts, {calls} calls: {refusal.code}")
                return calls
            late = await lateness(hosts)
            up = sum(node["calls"] for node in await client.nodes())
            if up != calls + STEP:
                raise RuntimeError(f"{up} of {calls + STEP} calls are up: they end by themselves")
            say(f"  {workers} hosts, {calls + STEP} calls: {late * 1000:.0f} ms late")
            if late > LATE_S:
                return calls
            calls += STEP


async def throughput() -> None:
    """Print how much two hosts hold, against one."""
    one, two = await held(1), await held(2)
    say(f"calls held: {one} by one host, {two} by two: {two / max(one, 1):.2f} times as many")


async def main() -> None:
    """The parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("parts", nargs="*", default=["forwarding", "throughput"])
    asked = parser.parse_args()
    if "forwarding" in asked.parts:
        await forwarding(asked.rounds)
    if "throughput" in asked.parts:
        await throughput()


if __name__ == "__main__":
    asyncio.run(main())
