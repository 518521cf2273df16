"""What is to be forgotten is gone: from every table, and from the file."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from openclaw_actors.store import tables
from openclaw_actors.store.entries import RecordingEntry
from openclaw_actors.store.records import CallQuery, Fresh, Replay
from openclaw_actors.store.store import Store
from tests.store.samples import SampleCall, record, recorded_call

HOOK = "https://one.example/hook"


async def everything(store) -> str:
    """All rows of all tables, as text."""

    def read(connection):
        return [
            (table.name, tuple(row))
            for table in tables.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]

    return repr(await store._read(read))


async def whole_call(store) -> SampleCall:
    call = SampleCall()
    await record(store, *call.talk(), call.ended())
    store.write(RecordingEntry(call.id, 1, call.at(2), {"file": f"{call.id}.1.ogg", "state": "ready"}))
    await store.begin_command(f"token-ab/calls/{call.id}/actions", "c1", "print")
    await store.begin_command("POST /v1/calls", call.id[-4:], "print")
    await store.finish_command("POST /v1/calls", call.id[-4:], 201, f'{{"id":"{call.id}"}}')
    return call


async def test_erasing_a_call_leaves_nothing_of_it_in_any_table(open_store):
    store = await open_store([HOOK])
    gone, stays = await whole_call(store), await whole_call(store)
    before = await everything(store)
    of_calls = [table for table in tables.metadata.sorted_tables if table.name != "voicemails"]  # they outlive the call
    for table in of_calls:
        assert table.name in before
    assert await store.erase(gone.id)
    after = await everything(store)
    assert gone.id not in after
    assert all(event.id not in after for event in gone.events)
    for table in of_calls:
        assert table.name in after
    assert await store.events(stays.id) == stays.events
    assert {delivery.call_id for delivery in await store.outbox_due(time.time())} == {stays.id}
    assert await store.begin_command("POST /v1/calls", gone.id[-4:], "other") == Fresh()


async def test_erasing_what_is_not_there_says_so(open_store):
    store = await open_store()
    assert not await store.erase("call_unknown")


async def test_erasing_what_is_not_there_takes_nothing_of_others_with_it(open_store):
    store = await open_store()
    await store.begin_command("token-ab/calls", "k1", "print")
    await store.finish_command("token-ab/calls", "k1", 201, '{"id":"call_1"}')
    for made_up in ("token", "call", "calls", "call_1", "%", "_"):
        assert not await store.erase(made_up)
    assert await store.begin_command("token-ab/calls", "k1", "print") == Replay(201, '{"id":"call_1"}')


async def test_what_was_said_is_not_in_the_file_any_more(sqlite_url):
    from tests.store.conftest import opened

    path = Path(sqlite_url.removeprefix("sqlite:///"))

    def on_disk() -> bytes:
        return b"".join(file.read_bytes() for file in path.parent.glob("calls.db*") if "-host-" not in file.name)

    async with opened(sqlite_url, [HOOK]) as store:
        call = SampleCall()
        said = call.event("call.transcript", role="user", text="my pin is 4711-8365", final=True)
        await record(store, said, call.ended())
        assert b"4711-8365" in on_disk()
        assert await store.erase(call.id)
        assert b"4711-8365" not in on_disk()


@pytest.mark.parametrize("days", [30, 0])
async def test_old_calls_go_by_themselves_unless_they_are_kept_for_ever(open_store, days):
    store = await open_store([HOOK], retain_days=days)
    now = datetime.now(UTC)
    old = [await recorded_call(store, now - timedelta(days=31)) for _ in range(3)]
    recent = await recorded_call(store, now - timedelta(days=29))
    lasting = SampleCall(now - timedelta(days=40))
    await record(store, lasting.initiated())
    assert await store.forget_old(now) == (3 if days else 0)
    left = {call.id for call in (await store.calls(CallQuery())).items}
    assert left == {recent.id, lasting.id} | (set() if days else {call.id for call in old})


async def test_more_old_calls_than_one_transaction_takes_all_go(open_store, monkeypatch):
    monkeypatch.setattr("openclaw_actors.store.erasure.CHUNK", 2)
    store = await open_store(retain_days=1)
    for _ in range(5):
        await recorded_call(store, datetime.now(UTC) - timedelta(days=3))
    assert await store.forget_old(datetime.now(UTC)) == 5


async def test_answers_and_failed_deliveries_go_when_their_time_is_over(open_store):
    store = await open_store([HOOK], retain_days=30)
    now = datetime.now(UTC)
    await recorded_call(store)
    await store.begin_command("s", "k", "print")
    await store.finish_command("s", "k", 202, "{}")
    (first,) = await store.outbox_due(time.time())
    await store.outbox_give_up(first.number, "410 Gone")
    await store.forget_old(now + timedelta(hours=23))
    assert "410 Gone" in await everything(store)
    assert "'202'" in (await everything(store)).replace("202,", "'202'")
    await store.forget_old(now + timedelta(days=29))
    assert "'commands'" not in await everything(store)
    await store.forget_old(now + timedelta(days=31))
    assert "410 Gone" not in await everything(store)


async def test_old_calls_are_looked_for_when_the_host_starts(open_store, monkeypatch):
    store = await open_store()
    old = await recorded_call(store, datetime.now(UTC) - timedelta(days=91))
    await store.aclose()
    looked, forget = asyncio.Event(), Store.forget_old

    async def forget_and_tell(self, now):
        erased = await forget(self, now)
        looked.set()
        return erased

    monkeypatch.setattr(Store, "forget_old", forget_and_tell)
    store = await open_store(retention=True)
    await asyncio.wait_for(looked.wait(), 10)
    assert await store.call(old.id) is None
