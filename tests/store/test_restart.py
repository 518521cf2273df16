"""A host that is killed loses nothing that was told to be on record, and leaves no call open for ever."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.claims import AdvisoryLock, LockedFile
from openclaw_actors.store.database import make_engine, resolve
from tests.store.conftest import opened
from tests.store.samples import SampleCall, record, recorded_call

HOOK = "https://one.example/hook"

WRITES_UNTIL_KILLED = """
import asyncio, sys
from openclaw_actors.settings.sections import StoreSettings
from openclaw_actors.store.store import Store
from openclaw_actors.actors.recorder import entries_of
from tests.store.samples import SampleCall

async def main():
    store = await Store.open(StoreSettings(url=sys.argv[1]), [sys.argv[2]])
    calls = [SampleCall() for _ in range(20)]
    def write(event):
        told = asyncio.get_running_loop().create_future()
        def done(recorded):
            if recorded:
                print(event.call_id, event.id, flush=True)
            told.set_result(None)
        store.write(entries_of(event), done)
        return told
    await asyncio.gather(*(write(call.initiated()) for call in calls))
    while True:
        await asyncio.gather(*(write(call.event("call.turn.completed", turn=1, latency={})) for call in calls))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_told_to_be_on_record(url):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITES_UNTIL_KILLED, url, HOOK, stdout=asyncio.subprocess.PIPE
    )
    told = []
    try:
        async with asyncio.timeout(40):
            while len(told) < 130:
                line = (await process.stdout.readline()).split()
                assert line, "the writer ended by itself"
                told.append(line)
    finally:
        process.kill()
        rest, _ = await process.communicate()
    told += [line.split() for line in rest.splitlines() if line.count(b"evt_")]
    calls = {call_id.decode() for call_id, _ in told}
    assert len(calls) == 20
    async with opened(url, [HOOK]) as store:
        for call_id in calls:
            on_record = await store.events(call_id)
            ids = {event.id for event in on_record}
            assert ids >= {event_id.decode() for of, event_id in told if of.decode() == call_id}
            assert [event.sequence for event in on_record] == list(range(1, len(on_record) + 1))
            found = await store.call(call_id)
            assert (found.status, found.end_reason) == ("failed", "host_restarted")
            assert found.ended_at == on_record[-2].time
            last = on_record[-1]
            assert last.type == "call.ended"
            assert (last.data["status"], last.data["reason"]) == ("failed", "host_restarted")
            deliveries = await all_deliveries(store, call_id)
            assert deliveries == [event.as_dict() for event in on_record], "the next host delivers all of it"


async def all_deliveries(store, call_id: str) -> list[dict]:
    """Take the outbox of a call to its end, as it would be delivered."""
    sent = []
    while due := [each for each in await store.outbox_due(time.time()) if each.call_id == call_id]:
        (delivery,) = due
        sent.append(json.loads(delivery.body))
        await store.outbox_done(delivery.number)
    return sent


async def test_a_call_that_was_over_stays_as_it_was(open_store):
    store = await open_store()
    call = await recorded_call(store)
    await store.aclose()
    store = await open_store()
    assert await store.events(call.id) == call.events
    assert (await store.call(call.id)).status == "completed"


async def test_a_host_that_lives_keeps_its_calls_when_another_one_starts(open_store):
    one, call = await open_store([HOOK]), SampleCall()
    await record(one, call.initiated(), call.event("call.answered"))
    two = await open_store([HOOK])
    assert (await two.call(call.id)).status == "in-progress"
    assert await two.outbox_due(time.time()) == [], "each delivers its own"
    await record(one, call.ended())
    assert (await two.call(call.id)).status == "completed"
    assert len(await one.outbox_due(time.time())) == 1


async def test_what_a_host_leaves_undelivered_the_next_one_delivers(open_store):
    one = await open_store([HOOK])
    call = await recorded_call(one)
    await one.aclose()
    two = await open_store([HOOK])
    assert await all_deliveries(two, call.id) == [event.as_dict() for event in call.events]


async def test_hosts_that_start_at_once_share_a_new_database(open_store):
    stores = await asyncio.gather(*(open_store() for _ in range(4)))
    for store in stores:
        await recorded_call(store)
    assert {len(await store.events(None)) for store in stores} == {12}


def test_many_may_begin_a_new_file_at_the_same_moment(tmp_path):
    """Which one of them then writes first is settled by SQLite's timeout."""
    begin = threading.Barrier(6)

    def opens(number: int) -> str:
        engine = make_engine(resolve(f"sqlite:///{tmp_path}/{number}.db"), connections=1, writes=True)
        begin.wait(10)
        try:
            with engine.connect() as connection:
                return connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        finally:
            engine.dispose()

    with ThreadPoolExecutor(6) as threads:
        for number in range(80):
            assert set(threads.map(opens, [number] * 6)) == {"wal"}


async def test_a_claim_ends_with_its_holder_and_only_then(url, open_store):
    one, two = await open_store(), await open_store()
    kind = LockedFile if url.startswith("sqlite") else AdvisoryLock

    async def lives(host: str) -> bool:
        return await two._do(lambda connection: two._claim.alive(connection, host))

    assert isinstance(one._claim, kind)
    assert await lives(one._claim.host)
    assert await lives(two._claim.host)
    assert not await lives("00" * 8)
    await one.aclose()
    assert not await lives(one._claim.host)


async def test_what_a_dead_host_left_at_its_carrier_is_known_to_the_next(url):
    call, other = SampleCall(), SampleCall()
    async with opened(url) as store:
        await record(store, call.initiated(transport="twilio", carrier_call_id="CA1"), other.initiated())
        over = SampleCall()
        await record(store, over.initiated(transport="twilio", carrier_call_id="CA2"), over.ended())
    async with opened(url) as store:
        lost = {(each.call_id, each.transport, each.carrier_call_id) for each in store.lost}
        assert lost == {(call.id, "twilio", "CA1"), (other.id, "webrtc", "")}
        assert (await store.call(call.id)).carrier_call_id == "CA1"
    async with opened(url) as store:
        assert store.lost == (), "it is told once"


async def test_calls_of_the_last_day_are_found_with_their_length(open_store):
    store = await open_store()
    now = datetime.now(UTC)
    for hours, transport, answered in (
        (30, "twilio", True),
        (3, "twilio", True),
        (2, "twilio", False),
        (1, "webrtc", True),
    ):
        call = SampleCall(now - timedelta(hours=hours))
        events = [call.initiated(transport=transport, direction="outbound")]
        events += [call.event("call.answered")] if answered else []
        await record(store, *events, call.event("call.ended", status="completed", reason="hangup"))
    found = await store.past_calls(["twilio"], rfc3339(now - timedelta(days=1)))
    assert [(each.direction, each.seconds) for each in found] == [("outbound", 1.0), ("outbound", 0.0)]
    assert found[0].began_at < found[0].ended_at < found[1].ended_at
