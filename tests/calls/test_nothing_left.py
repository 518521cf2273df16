"""A call that is over has left nothing behind."""

from __future__ import annotations

import asyncio

from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.resources import Resources, back_to, settled


async def test_after_20_calls_one_after_another_all_is_as_before(host):
    async with Caller(host.url) as first:  # what is made once and kept (pools, caches) is there after this
        await first.wait_voice()
    before = await settled(host)
    for _ in range(20):
        async with Caller(host.url) as caller:
            await caller.wait_voice()
    after = await back_to(before, host)
    assert after.no_more_than(before), (before, after)


async def test_after_8_calls_at_once_all_is_as_before(host):
    async with Caller(host.url) as first:
        await first.wait_voice()
    before = await settled(host)
    async with calls(host.url, 8) as callers:
        await asyncio.gather(*(caller.wait_voice() for caller in callers))
        assert Resources.of(host).running == 8
        assert Resources.of(host).calls_active == 8
    after = await back_to(before, host)
    assert after.no_more_than(before), (before, after)


async def test_a_caller_who_closes_without_a_word_is_gone_from_the_host(host):
    async with Caller(host.url) as first:
        await first.wait_voice()
    before = await settled(host)
    caller = Caller(host.url)
    await caller.dial()
    await caller.wait_voice()
    await caller.leave()
    after = await back_to(before, host)
    assert after.no_more_than(before), (before, after)
