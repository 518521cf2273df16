"""Two machines, each with its own Ray node, hosts and front: either is asked for all, and either outlives the other."""

# ruff: noqa: ASYNC110, SIM117 - other processes are waited for, and each context is told of by itself

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import pytest

from openclaw_actors.client import Client
from openclaw_actors.names import host_of_call
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.signalling import CallRefusedError
from tests.cluster.ray_nodes import ray_nodes
from tests.cluster.test_head_lost import CONFIG
from tests.store.conftest import postgresql_server

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]
__all__ = ["postgresql_server"]


async def all_nodes(client: Client, count: int, within_s: float = 30) -> list[dict]:
    async with asyncio.timeout(within_s):
        while True:
            found = await client.nodes()
            if len(found) == count and all(each["ready"] for each in found):
                return found
            await asyncio.sleep(0.3)


async def back_again(url: str, lost: Caller) -> Caller:
    """What a page does: it redials, until somebody takes it."""
    async with asyncio.timeout(40):
        while True:
            caller = Caller(url, keep_audio=False, resume=lost.resume_token)
            with contextlib.suppress(CallRefusedError):
                await caller.dial()
                return caller
            await caller.leave()
            await asyncio.sleep(0.5)


async def test_either_machine_is_asked_for_all_and_outlives_the_other(postgresql_server):
    with ray_nodes() as nodes:
        config = CONFIG.format(secret="s" * 64, store=postgresql_server, address=nodes.address)
        async with nodes.machine(config) as one, nodes.machine(config, "127.0.0.4") as other:
            async with Client(one.url, timeout_s=30) as here, Client(other.url, timeout_s=30) as there:
                names = {each["name"] for each in await all_nodes(here, 4)}
                assert {each["name"] for each in await all_nodes(there, 4)} == names
                async with contextlib.AsyncExitStack() as stack:
                    callers: list[Caller] = []
                    while len({host_of_call(each.call_id) for each in callers}) < 4 and len(callers) < 40:
                        callers.append(await stack.enter_async_context(Caller(one.url, keep_audio=False)))
                    assert {host_of_call(each.call_id) for each in callers} == names, "one front places on all machines"
                    for caller in callers:
                        await there.say(caller.call_id, "A word from the other machine.")
                        await caller.wait_event("call.transcript", lambda data: "other machine" in data["text"], 30)
                        assert (await here.call(caller.call_id))["id"] == caller.call_id
                    heard = []

                    async def follow() -> None:
                        async for event in there.events():
                            heard.append(event["call_id"])  # noqa: PERF401 - as they come

                    following = asyncio.create_task(follow())
                    await asyncio.sleep(2)
                    for caller in callers:
                        await here.say(caller.call_id, "And one more.")
                    async with asyncio.timeout(30):
                        while not set(heard) >= {each.call_id for each in callers}:
                            await asyncio.sleep(0.1)
                    following.cancel()

                    os.kill(one.pid, signal.SIGKILL)  # the machine: all of its processes end with it
                    died_at = time.monotonic()
                    left = {each["name"] for each in await all_nodes(there, 2)}
                    lost = [each for each in callers if host_of_call(each.call_id) not in left]
                    assert 0 < len(lost) < len(callers)
                    again = await back_again(there.url, lost[0])
                    assert host_of_call(again.call_id) in left
                    assert (await there.call(again.call_id))["resumed_from"] == lost[0].call_id
                    await again.hang_up()
                    async with asyncio.timeout(20):
                        for caller in lost:
                            while (record := await there.call(caller.call_id))["status"] != "failed":
                                await asyncio.sleep(0.2)
                            assert record["end_reason"] == "node_lost"
                    assert time.monotonic() - died_at < 20
                    for caller in callers:
                        if caller not in lost:
                            await there.say(caller.call_id, "Are you there?")
                            assert not caller.over
