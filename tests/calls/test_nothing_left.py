"""A call that is over has left nothing behind."""

from __future__ import annotations

import asyncio

from openclaw_actors.testkit.caller import Caller, calls
from tests.calls.conftest import Resources, back_to


async def test_after_20_calls_one_after_another_all_is_as_before(host):
    async with Caller(host.url) as first:  # what is made once and kept (pools, caches) is there after this
        await first.wait_voice()
    await asyncio.sleep(0)
    before = await settled(host)
    for _ in range(20):
        async with Caller(host.url) as caller:
            await caller.wait_voice()
    assert await back_to(before, host) == before


async def test_after_8_calls_at_once_all_is_as_before(host):
    async with Caller(host.url) as first:
        await first.wait_voice()
    before = await settled(host)
    async with calls(host.url, 8) as callers:
        await asyncio.gather(*(caller.wait_voice() for caller in callers))
        assert Resources.of(host).running == 8
        assert Resources.of(host).calls_active == 8
    assert await back_to(before, host) == before


async def test_a_caller_who_closes_without_a_word_is_gone_from_the_host(host):
    async with Caller(host.url) as first:
        await first.wait_voice()
    before = await settled(host)
    caller = Caller(host.url)
    await caller.dial()
    await caller.wait_voice()
    await caller.leave()
    assert await back_to(before, host) == before


async def settled(host) -> Resources:
    """The resources once the last call has gone: no call runs and two looks in a row agree."""
    last = Resources.of(host)
    for _ in range(100):
        await asyncio.sleep(0.1)
        now = Resources.of(host)
        if now == last and not now.running and not now.calls_active:
            return now
        last = now
    raise TimeoutError(f"the host does not come to rest: {last}")
