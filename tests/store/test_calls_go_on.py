"""A real call, while its records can't be written."""

from __future__ import annotations

import asyncio

from openclaw_actors.store.records import CallQuery
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from tests.store.test_trouble import Fault, locked


async def test_a_call_begins_speaks_and_ends_while_the_database_is_locked(sqlite_url, monkeypatch):
    monkeypatch.setattr("openclaw_actors.store.database.BUSY_TIMEOUT_S", 0.05)
    settings = embedded_settings()
    changes = {
        "agent": settings.agent.model_copy(update={"greeting": "Hello!"}),
        "store": settings.store.model_copy(update={"url": sqlite_url}),
    }
    async with running_host(settings.model_copy(update=changes)) as running:
        store, spoken, ended = running.host.store, asyncio.Event(), asyncio.Event()
        heard = {"call.transcript": spoken, "call.ended": ended}
        running.host.hub.subscribe(lambda event: heard[event.type].set() if event.type in heard else None)
        fault = Fault(store, "locked")
        with locked(sqlite_url):
            async with Caller(running.url) as caller:
                await caller.wait_voice()
                await asyncio.wait_for(spoken.wait(), 20)
                await fault.met()
            await asyncio.wait_for(ended.wait(), 20)
            assert not store.health["ok"]
            assert (await store.calls(CallQuery())).items == ()
        async with asyncio.timeout(20):
            await store.begin_command("the writer", "works again", "")
        (call,) = (await store.calls(CallQuery())).items
        assert (call.is_final, call.transport, bool(call.answered_at)) == (True, "webrtc", True)
        assert [line.text for line in await store.transcript(call.id)] == ["Hello!"]
        events = await store.events(call.id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert (events[0].type, events[-1].type) == ("call.initiated", "call.ended")
