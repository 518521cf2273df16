"""Hosts that share their records: one that dies is buried once, and its conversations go on at any other."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from openclaw_actors.actors.recall import NODE_LOST, Recall
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Line
from openclaw_actors.names import Names
from openclaw_actors.settings.sections import Numbers as NumberSettings
from openclaw_actors.settings.sections import StoreSettings
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.budget import Budget
from openclaw_actors.telephony.numbers import Admitted, Numbers
from tests.store.samples import SampleCall, record

HOOK = "https://one.example/hook"
KEY = b"k" * 32
W1, W2 = Names("w1", KEY), Names("w2", KEY)


@asynccontextmanager
async def hosts(url: str, count: int):
    """So many stores on one database; close one to let its host die."""
    async with AsyncExitStack() as stack:
        stores = [await Store.open(StoreSettings(url=url), [HOOK], NODE_LOST) for _ in range(count)]
        for store in stores:
            stack.push_async_callback(store.aclose)
        yield stores


def named(names: Names) -> SampleCall:
    call = SampleCall()
    call.id = names.call_id()
    return call


async def said(store: Store, call: SampleCall, role: str, text: str, **more) -> None:
    await record(store, call.event("call.transcript", role=role, text=text, final=True, **more))


async def test_the_calls_of_a_host_that_died_are_ended_once_and_its_webhooks_delivered(url):
    async with hosts(url, 3) as (dying, *living):
        call = named(W1)
        await record(dying, call.initiated(), call.event("call.answered"))
        assert await living[0].gone_hosts() == ()
        assert await living[0].take_over() == (), "it lives"
        await dying.aclose()
        assert await living[0].gone_hosts() == (dying.host,)
        assert await living[0].take_over(spared=[dying.host]) == (), "somebody knows better"
        found = await asyncio.gather(*(each.take_over() for each in living))
        (lost,) = [each for taken in found for each in taken]
        assert (lost.call_id, lost.event.type) == (call.id, "call.ended")
        ended = await living[1].call(call.id)
        assert (ended.status, ended.end_reason, ended.media_state) == ("failed", "node_lost", "closed")
        events = await living[1].events(call.id)
        assert [each.sequence for each in events] == [1, 2, 3]
        assert events[-1] == lost.event
        due = [each for store in living for each in await store.outbox_due(time.time())]
        assert [each.event_type for each in due] == ["call.initiated"], "in order, by one of them"
        assert await living[0].gone_hosts() == await living[1].gone_hosts() == ()


def recalls(stores: list[Store]) -> list[Recall]:
    async def bury(store: Store) -> None:
        await store.take_over()

    return [Recall(store, W2, 120, lambda store=store: bury(store)) for store in stores]


async def test_a_conversation_goes_on_from_the_records_once(url):
    async with hosts(url, 3) as (dying, *living):
        first, call = named(W1), named(W1)
        await record(dying, first.initiated(), first.event("call.answered"))
        await said(dying, first, "user", "My name is Ada.")
        await record(dying, first.event("call.ended", status="failed", reason="peer_failed", duration_ms=1))
        await record(dying, call.initiated(resumed_from=first.id), call.event("call.answered"))
        await said(dying, call, "agent", "Hello Ada, I", cut=True)
        token = W1.resume_token(call.id)
        here, there = recalls(living)
        with pytest.raises(RefusalError, match="not_ready"):
            await here.by_token(token)  # its host lives
        await dying.aclose()
        found = await here.by_token(token)
        assert found.record.id == call.id
        assert found.history == (Line("user", "My name is Ada."), Line("agent", "Hello Ada, I", cut=True))
        for recall in (here, there):
            with pytest.raises(RefusalError, match="resume_expired"):
                await recall.by_token(token)
        await here.give_back(token)
        assert (await there.by_token(token)).history == found.history, "the call did not begin: it may be tried again"


async def test_what_was_ended_on_purpose_or_long_ago_or_never_was_does_not_go_on(url):
    async with hosts(url, 1) as (store,):
        (recall,) = recalls([store])
        ended = named(W1)
        await record(store, ended.initiated(), ended.ended())
        for call_id in (ended.id, W1.call_id()):
            with pytest.raises(RefusalError, match="resume_expired"):
                await recall.by_token(W1.resume_token(call_id))
        assert await recall.by_token("of-another-kind") is None
        assert await recall.by_token(Names("w1", b"x").resume_token(ended.id)) is None


async def test_a_carrier_s_call_is_found_by_its_name_for_it_while_its_host_is_lost(url):
    async with hosts(url, 2) as (dying, living):
        call = named(W1)
        initiated = call.initiated(transport="twilio", carrier_call_id="CA1", **{"from": "+15550100001"})
        await record(dying, initiated, call.event("call.answered"))
        await said(dying, call, "user", "My name is Ada.")
        (recall,) = recalls([living])
        with pytest.raises(RefusalError, match="not_ready"):
            await recall.by_carrier("CA1")
        await dying.aclose()
        found = await recall.by_carrier("CA1")
        assert (found.record.caller, found.history) == ("+15550100001", (Line("user", "My name is Ada."),))
        assert await recall.by_carrier("CA2") is None


async def test_a_carrier_s_call_that_we_have_hung_up_is_over(url):
    async with hosts(url, 1) as (store,):
        call = named(W1)
        await record(store, call.initiated(transport="twilio", carrier_call_id="CA1"), call.ended())
        assert await recalls([store])[0].by_carrier("CA1") is None


async def test_what_other_hosts_use_of_a_bound_is_seen_while_they_use_it(url):
    async with hosts(url, 2) as (one, other):
        calls = [named(W1) for _ in range(3)]
        for call in calls:
            await record(one, call.initiated(transport="twilio", direction="outbound"), call.event("call.answered"))
        await record(one, calls[0].ended())
        await record(one, (web := named(W1)).initiated(), web.event("call.answered"))
        since = rfc3339(datetime.now(UTC) - timedelta(days=1))
        assert await one.calls_elsewhere(["twilio"], since) == []
        found = await other.calls_elsewhere(["twilio"], since)
        assert [each.direction for each in found] == ["outbound"] * 3
        numbers = Numbers(NumberSettings(outbound_per_hour=3, outbound_prefixes=("+1",)), "+15550100000")
        budget = Budget(numbers, ["twilio"], None, None)
        await budget.look_elsewhere(other)
        refused = numbers.outbound("+15550100001", time.monotonic())
        assert (refused.reason, refused.is_for_now) == ("hourly_cap", True)
        assert 3500 < refused.retry_after_s <= 3600
        await budget.look_elsewhere(one)
        assert isinstance(numbers.outbound("+15550100001", time.monotonic()), Admitted)
