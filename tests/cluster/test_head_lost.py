"""Ray's head dies, with its state in a real Redis: calls go on, placing waits for it, and goes on with it."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import psutil
import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.speakers import flite
from tests.calls.conftest import greeted
from tests.cluster.ray_nodes import ray_nodes, redis_server
from tests.store.conftest import postgresql_server

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]
__all__ = ["postgresql_server"]

CONFIG = """
[server]
port = 0
[auth]
join_secret = "{secret}"
[supervision]
stt_final_s = 15
first_audio_s = 10
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = "Hello!"
[tts]
engines = ["espeak-ng"]
[store]
url = "{store}"
[cluster]
engine = "ray"
address = "{address}"
workers = 2
"""


async def hosts(session: aiohttp.ClientSession, url: str) -> list[dict]:
    async with session.get(f"{url}/v1/nodes") as response:
        return (await response.json())["nodes"]


async def until_placed(url: str, within_s: float) -> None:
    """Call until it is placed."""
    began = time.monotonic()
    while True:
        try:
            async with Caller(url) as caller:
                await greeted(caller)
                return
        except Exception:
            if time.monotonic() - began > within_s:
                raise
            await asyncio.sleep(0.5)


async def refusal(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    """What an offer is answered that is none: 422 by a host, 503 by a front that places nothing."""
    async with session.post(f"{url}/webrtc/offer", json={"type": "offer", "sdp": "v=0"}) as response:
        return response.status, (await response.json())["code"]


def processes_of_hosts(front: HostProcess) -> list[psutil.Process]:
    return [each for each in psutil.Process(front.pid).children(recursive=True) if "ray::HostActor" in each.cmdline()]


async def test_a_head_that_dies_and_comes_back_ends_no_call(postgresql_server):
    with redis_server() as redis, ray_nodes(redis) as nodes:
        config = CONFIG.format(secret="s" * 64, store=postgresql_server, address=nodes.address)
        async with nodes.machine(config) as front, aiohttp.ClientSession() as session:
            async with Caller(front.url) as caller:
                await greeted(caller)
                before = await hosts(session, front.url)
                assert len(before) == 2
                nodes.head.kill()
                lost_at = time.monotonic()
                async with asyncio.timeout(30):
                    while await refusal(session, front.url) != (503, "head_away"):  # noqa: ASYNC110 - it is asked
                        await asyncio.sleep(0.2)
                refused_s = time.monotonic() - lost_at
                await caller.ask(flite("What is the weather like today?"))
                assert await hosts(session, front.url) == before

                await asyncio.to_thread(nodes.start_head)
                await until_placed(front.url, 60)
                back_s = time.monotonic() - lost_at
                await caller.ask(flite("And what is the time?"))
                assert not [event for event in caller.events if event.type == "call.ended"]
            print(f"placing refused {refused_s:.1f} s after the head's death, and went on {back_s:.1f} s after it")  # noqa: T201
            assert back_s < 60

            # And the head does again what heads do: a host that dies now is started anew.
            processes_of_hosts(front)[0].kill()
            started = {node["started_at"] for node in before}
            async with asyncio.timeout(90):
                while True:
                    now = await hosts(session, front.url)
                    if all(each["ready"] for each in now) and len({node["started_at"] for node in now} - started) == 1:
                        break
                    await asyncio.sleep(0.5)
            await front.stop(timeout_s=1)
