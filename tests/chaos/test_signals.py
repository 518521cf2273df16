"""A real ``serve`` with calls that is told to end: it lets them finish; told again, it hangs up politely."""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import pytest

from openclaw_actors.settings.sections import StoreSettings
from openclaw_actors.store.store import Store
from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.signalling import CallRefusedError

CONFIG = """
[server]
port = 0
[store]
url = "{store}"
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
"""


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path}/calls.db"


async def draining(host: HostProcess) -> None:
    """It has heard the signal: no new call is taken. Its own process tells by its answers alone."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while True:
            async with session.get(f"{host.url}/readyz") as answer:
                if answer.status == 503:
                    return


async def answered(caller: Caller, text: str) -> None:
    """The call goes on: what is written is answered aloud, and to the end."""
    caller.send("text", text=text)
    await caller.wait_event("call.transcript", lambda data: data["role"] == "agent" and text in data["text"].lower())


async def ends_of(store_url: str, ids: list[str]) -> set[tuple[str, str]]:
    """How these calls ended, by the records that the host left behind."""
    store = await Store.open(StoreSettings(url=store_url))
    try:
        records = [await store.call(call_id) for call_id in ids]
    finally:
        await store.aclose()
    return {(record.status, record.end_reason) for record in records}


async def test_told_once_it_takes_no_new_call_and_ends_when_the_last_has_hung_up(store_url):
    async with HostProcess(CONFIG.format(store=store_url)) as host, calls(host.url, 2) as (first, second):
        host.send_signal(signal.SIGTERM)
        await draining(host)
        with pytest.raises(CallRefusedError) as refusal:
            await Caller(host.url).__aenter__()
        assert refusal.value.status == 503
        await answered(first, "hello")
        await first.hang_up()
        await answered(second, "goodness")
        assert host.returncode is None
        await second.hang_up()
        assert await host.ended(20) == 0
        ids = [first.call_id, second.call_id]
        assert await ends_of(store_url, ids) == {("completed", "caller_hangup")}


async def test_told_twice_it_hangs_up_every_call_politely_and_ends_well(store_url):
    async with HostProcess(CONFIG.format(store=store_url)) as host, calls(host.url, 3) as callers:
        host.send_signal(signal.SIGTERM)
        await draining(host)
        await asyncio.gather(*(answered(caller, "hello") for caller in callers))
        host.send_signal(signal.SIGTERM)
        ends = await asyncio.gather(*(caller.wait_event("call.ended") for caller in callers))
        assert {(end.data["status"], end.data["reason"]) for end in ends} == {("completed", "shutdown")}
        await asyncio.gather(*(caller.wait_over() for caller in callers))
        assert await host.ended(20) == 0
        assert await ends_of(store_url, [caller.call_id for caller in callers]) == {("completed", "shutdown")}
