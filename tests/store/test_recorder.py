"""Listeners hear events in order and once they are on record, but never wait long for it."""

from __future__ import annotations

import asyncio
import random

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.actors.events import EventHub, EventLog
from openclaw_actors.actors.recorder import Recorder, entries_of
from openclaw_actors.messages import Event
from openclaw_actors.store.entries import EventEntry
from openclaw_actors.store.records import CallQuery
from tests.store.conftest import opened
from tests.store.samples import SampleCall, sample_id


class SlowRecords:
    """Records that answer when the test says so."""

    def __init__(self) -> None:
        self.is_writing = True
        self.asked: list = []

    def write(self, entry, done) -> None:
        self.asked.append((entry, done))


def publish(hub: EventHub, count: int) -> list[Event]:
    call = SampleCall()
    events = [call.initiated(), *(call.event("call.muted") for _ in range(count - 1))]
    for event in events:
        hub.publish(event)
    return events


def recorded_hub(records) -> tuple[EventHub, list[Event], Recorder]:
    hub, heard, recorder = EventHub(), [], Recorder(records)
    hub.keep_in(recorder)
    hub.subscribe(heard.append)
    return hub, heard, recorder


async def test_what_a_listener_hears_is_on_record(sqlite_url):
    async with opened(sqlite_url) as store:
        hub, call = EventHub(), SampleCall()
        hub.keep_in(Recorder(store))
        heard: asyncio.Queue[Event] = asyncio.Queue()
        hub.subscribe(heard.put_nowait)
        for event in [*call.talk(), call.ended()]:
            hub.publish(event)
        for expected in call.events:
            assert await asyncio.wait_for(heard.get(), 10) == expected
            assert expected in await store.events(call.id)


async def test_a_calls_own_client_hears_at_once(sqlite_url):
    async with opened(sqlite_url) as store:
        hub, to_client = EventHub(), []
        hub.keep_in(Recorder(store))
        EventLog(sample_id("call"), hub, to_client.append).publish("call.answered")
        assert [event["type"] for event in to_client] == ["call.answered"]


async def test_nobody_hears_before_it_is_on_record():
    records = SlowRecords()
    hub, heard, recorder = recorded_hub(records)
    events = publish(hub, 3)
    await asyncio.sleep(0)
    assert heard == []
    for _, done in records.asked[:2]:
        done(True)
    assert heard == events[:2]
    recorder.close()
    assert heard == events


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers())
def test_the_order_is_kept_however_the_answers_come(count, seed):
    async def scenario():
        records = SlowRecords()
        hub, heard, recorder = recorded_hub(records)
        events = publish(hub, count)
        answers = [done for _, done in records.asked]
        chance = random.Random(seed)
        chance.shuffle(answers)
        for done in answers:
            done(chance.random() < 0.5)
            assert heard == events[: len(heard)]
        assert heard == events
        recorder.close()

    asyncio.run(scenario())


async def test_an_event_whose_commit_does_not_come_is_heard_all_the_same(monkeypatch):
    monkeypatch.setattr("openclaw_actors.actors.recorder.PATIENCE_S", 0.05)
    records, told = SlowRecords(), asyncio.Event()
    hub, heard, _ = recorded_hub(records)
    hub.subscribe(lambda event: told.set() if event.sequence == 3 else None)
    events = publish(hub, 3)
    await asyncio.wait_for(told.wait(), 10)
    assert heard == events
    for _, done in records.asked:
        done(True)
    assert heard == events, "once"


async def test_while_the_store_fails_nobody_waits(monkeypatch):
    monkeypatch.setattr("openclaw_actors.actors.recorder.PATIENCE_S", 60)
    records, told = SlowRecords(), asyncio.Event()
    hub, heard, _ = recorded_hub(records)
    hub.subscribe(lambda event: told.set() if event.type == "call.ended" else None)
    events = publish(hub, 3)
    records.is_writing = False
    last = SampleCall().ended()
    hub.publish(last)
    await asyncio.wait_for(told.wait(), 10)
    assert heard == [*events, last]


def test_while_the_store_fails_nobody_waits_on_the_loop_that_a_host_runs_on_either():
    """uvloop's handle of what is due at once has no ``when()``."""

    async def scenario():
        records, told = SlowRecords(), asyncio.Event()
        records.is_writing = False
        hub, heard, _ = recorded_hub(records)
        hub.subscribe(lambda event: told.set() if event.sequence == 3 else None)
        events = publish(hub, 3)
        await asyncio.wait_for(told.wait(), 10)
        assert heard == events

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_a_listener_that_fails_is_taken_off_and_the_others_hear_on():
    hub, heard = EventHub(), []

    def broken(_: Event) -> None:
        raise RuntimeError

    hub.subscribe(broken)
    stop = hub.subscribe(heard.append)
    events = publish(hub, 2)
    assert heard == events
    stop()
    stop()
    publish(hub, 1)
    assert heard == events


@pytest.mark.parametrize("kind", ["call.held", "call.dtmf", "node.draining", "call.transcript", "call.engine.switched"])
def test_an_event_that_changes_no_record_is_itself_on_record(kind):
    event = SampleCall().event(kind, final=False, stage="turns", to="energy")
    assert entries_of(event) == (EventEntry(event),)


@pytest.mark.parametrize(
    "kind",
    ["call.initiated", "call.ended", "call.transcript", "call.turn.completed", "call.stage.restarted"],
)
async def test_an_event_without_its_data_is_on_record_as_far_as_it_goes(sqlite_url, kind):
    """Programs that embed the host publish their own; a missing field must not cost the event."""
    async with opened(sqlite_url) as store:
        hub, call, told = EventHub(), SampleCall(), asyncio.Event()
        hub.keep_in(Recorder(store))
        hub.subscribe(lambda _: told.set())
        hub.publish(call.event(kind, final=True))
        await asyncio.wait_for(told.wait(), 10)
        assert await store.events(call.id) == call.events
        assert len((await store.calls(CallQuery())).items) == 1
