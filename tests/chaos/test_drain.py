"""Ten live calls on a real ``serve``: told to end it cuts none; killed, the next one says what was lost."""

from __future__ import annotations

import asyncio
import json
import re
import signal

import aiohttp
import pytest

from openclaw_actors.event_stream import EventStream
from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.signalling import CallRefusedError
from tests.chaos.test_signals import CONFIG, answered

CALLS = 10


@pytest.fixture
def config(tmp_path):
    return CONFIG.format(store=f"sqlite:///{tmp_path}/calls.db")


async def followed(session: aiohttp.ClientSession, url: str, ready: asyncio.Event) -> dict:
    """The first event of the host's own that a reader of all events hears."""
    stream = EventStream()
    async with session.get(f"{url}/v1/events") as response:
        ready.set()
        async for chunk in response.content.iter_any():
            for data in stream.push(chunk):
                if (event := json.loads(data))["type"].startswith("node."):
                    return event
    raise AssertionError("the stream ended")


async def statuses(session: aiohttp.ClientSession, url: str) -> tuple[int, int]:
    async with session.get(f"{url}/readyz") as ready, session.get(f"{url}/livez") as live:
        return ready.status, live.status


async def test_ten_calls_are_talked_to_their_ends_while_new_ones_are_refused(config):
    async with HostProcess(config) as host, aiohttp.ClientSession() as session, calls(host.url, CALLS) as callers:
        assert await statuses(session, host.url) == (200, 200)
        reading = asyncio.Event()
        reader = asyncio.create_task(followed(session, host.url, reading))
        await reading.wait()
        host.send_signal(signal.SIGTERM)

        told = await asyncio.gather(*(caller.wait_event("node.draining") for caller in callers))
        assert {(e.data["draining"], e.data["calls"], e.data["ends_in_s"]) for e in told} == {(True, CALLS, 1800)}
        event = await asyncio.wait_for(reader, 10)
        assert (event["type"], event["call_id"]) == ("node.draining", "")
        assert await statuses(session, host.url) == (503, 200)
        with pytest.raises(CallRefusedError) as refusal:
            await Caller(host.url).__aenter__()
        assert (refusal.value.status, refusal.value.problem["code"]) == (503, "draining")
        async with session.post(f"{host.url}/webrtc/offer", json={"sdp": "", "type": "offer"}) as response:
            assert response.status >= 400

        await asyncio.gather(*(answered(caller, "hello") for caller in callers))
        assert not any(caller.over for caller in callers)
        assert host.returncode is None
        for caller in callers[:-1]:
            await caller.hang_up()
        await answered(callers[-1], "goodness")
        assert host.returncode is None
        await callers[-1].hang_up()
        assert await host.ended(20) == 0
        ends = [event.data for caller in callers for event in caller.events if event.type == "call.ended"]
        assert {end["reason"] for end in ends} <= {"caller_hangup"}


async def test_a_killed_host_is_told_of_at_the_next_start(config):
    async with HostProcess(config) as host:
        async with calls(host.url, 2) as callers:
            await asyncio.gather(*(answered(caller, "hello") for caller in callers))
            host.send_signal(signal.SIGKILL)
            assert await host.ended(10) == -signal.SIGKILL
        lost = {caller.call_id for caller in callers}
    async with HostProcess(config) as again, aiohttp.ClientSession() as session:
        lines = [json.loads(line) for line in again.log().splitlines() if line.startswith("{")]
        said = {line["call_id"] for line in lines if line["event"] == "a call was lost with the host that held it"}
        assert said == lost
        async with session.get(f"{again.url}/metrics") as response:
            metrics = await response.text()
        (ended,) = re.findall(r'calls_ended_total\{.*reason="host_restarted".*\} (\S+)', metrics)
        assert float(ended) == 2
        for call_id in lost:
            async with session.get(f"{again.url}/v1/calls/{call_id}") as response:
                record = await response.json()
            assert (record["status"], record["end_reason"]) == ("failed", "host_restarted")
