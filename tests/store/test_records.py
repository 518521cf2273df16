"""What calls publish is found on record, in SQLite as in PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_actors.actors.recorder import entries_of
from openclaw_actors.messages import Event
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store.entries import CallEntry, EventEntry, TurnEntry
from openclaw_actors.store.recording import plain
from openclaw_actors.store.records import CallQuery, TranscriptLine
from tests.store.conftest import committed
from tests.store.samples import LATENCY, SampleCall, record, recorded_call


async def test_a_call_is_on_record_as_it_went(open_store):
    store, call = await open_store(), SampleCall()
    await record(store, *call.talk(), call.ended())
    found = await store.call(call.id)
    assert found is not None
    assert found.is_final
    assert found.as_dict() == {
        "id": call.id,
        "status": "completed",
        "media_state": "closed",
        "transport": "webrtc",
        "direction": "inbound",
        "from": "192.0.2.7",
        "to": "",
        "agent": "parrot",
        "engines": {"stt": "pocketsphinx", "agent": "parrot", "tts": "edge-tts"},
        "started_at": call.at(1),
        "answered_at": call.at(2),
        "ended_at": call.at(11),
        "end_reason": "hangup",
        "duration_ms": 9000,
        "resumed_from": "",
        "carrier_call_id": "",
        "restarts": {"tts": 1},
        "latency": {"turn_p50_ms": 405, "turn_p95_ms": 405},
        "metadata": {"page": "shop"},
        "recordings": [],
    }


async def test_a_call_that_goes_on_is_on_record_as_such(open_store):
    store, call = await open_store(), SampleCall()
    await record(store, call.initiated())
    assert (await store.call(call.id)).status == "initiated"
    await record(store, call.event("call.ringing"))
    assert (await store.call(call.id)).status == "ringing"
    await record(store, call.event("call.answered"))
    found = await store.call(call.id)
    assert (found.status, found.media_state, found.ended_at) == ("in-progress", "connected", "")


async def test_the_transcript_holds_the_final_lines_in_order(open_store):
    store, call = await open_store(), SampleCall()
    await record(store, *call.talk())
    assert await store.transcript(call.id) == [
        TranscriptLine("agent", "Hello!", call.at(4), 4, turn=1),
        TranscriptLine("user", "What is the time?", call.at(6), 6),
        TranscriptLine("agent", "It is", call.at(10), 10, cut=True, turn=2),
    ]


async def test_a_cut_without_words_is_that_of_the_line_before(open_store):
    store, call = await open_store(), SampleCall()
    await record(
        store,
        call.initiated(),
        call.event("call.transcript", role="agent", text="Hello!", final=True, turn=1, cut=False),
        call.event("call.transcript", role="agent", text="It is six.", final=True, turn=2, cut=False),
        call.event("call.transcript", role="user", text="Stop.", final=True),
        call.event("call.transcript", role="agent", text="", final=True, turn=2, cut=True),
        call.event("call.transcript", role="agent", text="", final=True, turn=3, cut=True),
    )
    assert [(line.text, line.cut) for line in await store.transcript(call.id)] == [
        ("Hello!", False),
        ("It is six.", True),
        ("Stop.", False),
    ]


async def test_events_come_back_as_they_were_published(open_store):
    store, call = await open_store(), SampleCall()
    await record(store, *call.talk())
    assert await store.events(call.id) == call.events
    assert await store.events(call.id, 7) == call.events[7:]
    assert await store.events(call.id, call.events[4].id, limit=2) == call.events[5:7]
    assert await store.events("call_unknown") == []


async def test_events_of_all_calls_come_in_the_order_of_their_commits(open_store):
    store, one, two = await open_store(), SampleCall(), SampleCall()
    told = [one.initiated(), two.initiated(), one.event("call.answered"), two.ended(), one.ended()]
    await record(store, *told)
    assert await store.events(None) == told
    assert await store.events(None, told[1].id) == told[2:]
    assert await store.events(None, told[1].id, limit=1) == told[2:3]


async def test_a_reader_whose_last_event_was_erased_goes_on_behind_it(open_store):
    store = await open_store()
    first = await recorded_call(store)
    second = await recorded_call(store)
    assert await store.erase(first.id)
    assert await store.events(None, first.events[-1].id) == second.events


async def test_an_event_of_no_call_is_kept_too(open_store):
    store = await open_store()
    event = Event(f"evt_{ulid()}", "voicemail.received", now_rfc3339(), "", 1, {"from": "+15550001"})
    await record(store, event, replace(event, id=f"evt_{ulid()}"))
    assert [each.call_id for each in await store.events(None)] == ["", ""]


async def test_lists_are_newest_first_filtered_and_in_pages(open_store):
    store = await open_store()
    calls = [await recorded_call(store, direction="outbound" if number % 2 else "inbound") for number in range(7)]
    newest = [call.id for call in reversed(calls)]
    seen, cursor = [], ""
    while page := await store.calls(CallQuery(limit=3, cursor=cursor)):
        seen.append([each.id for each in page.items])
        cursor = page.next
        if not cursor:
            break
    assert seen == [newest[:3], newest[3:6], newest[6:]]
    outbound = await store.calls(CallQuery(direction="outbound", transport="webrtc", status="completed"))
    assert [each.id for each in outbound.items] == newest[1::2]
    assert (await store.calls(CallQuery(status="failed"))).items == ()
    assert (await store.calls(CallQuery(limit=7))).next == ""


async def test_latency_is_the_percentiles_of_the_turns(open_store):
    store, call = await open_store(), SampleCall()
    totals = enumerate((500, 300, 700))
    turns = [TurnEntry(call.id, turn, call.at(1), {**LATENCY, "total_ms": total}) for turn, total in totals]
    await record(store, call.initiated())
    assert await committed(store, turns)
    assert (await store.call(call.id)).latency == {"turn_p50_ms": 500, "turn_p95_ms": 700}


async def test_a_call_whose_beginning_was_lost_is_on_record_with_the_rest(open_store):
    store, call = await open_store(), SampleCall()
    call.initiated()
    answered, ended = call.event("call.answered"), call.ended(status="failed", reason="peer_failed")
    await record(store, answered, ended)
    found = await store.call(call.id)
    assert (found.status, found.started_at, found.answered_at) == ("failed", call.at(2), call.at(2))


async def test_what_is_written_twice_is_on_record_once(open_store):
    """A connection that breaks in the commit leaves open whether it happened, so the writer does it again."""
    store, call = await open_store(["http://hooks.example/"]), SampleCall()
    await record(store, *call.talk())
    await record(store, *call.events)
    assert await store.events(call.id) == call.events
    assert len(await store.transcript(call.id)) == 3
    assert (await store.call(call.id)).restarts == {"tts": 1}


async def test_one_entry_that_can_not_be_written_takes_no_other_with_it(open_store):
    store, call = await open_store(), SampleCall()
    told: dict[str, bool] = {}
    await record(store, call.initiated())
    wrong = replace(call.event("call.muted"), sequence=1)  # the number is taken
    for name, entry in (
        ("before", EventEntry(call.event("call.answered"))),
        ("taken", EventEntry(wrong)),
        ("unknown", CallEntry(call.id, call.at(1), {"colour": "red"})),
    ):
        store.write(entry, lambda ok, name=name: told.__setitem__(name, ok))
    assert await committed(store, EventEntry(call.ended()))
    assert told == {"before": True, "taken": False, "unknown": False}
    assert [event.type for event in await store.events(call.id)] == ["call.initiated", "call.answered", "call.ended"]
    assert store.health["ok"]


async def test_the_export_holds_everything_one_call_a_line(open_store):
    store = await open_store()
    calls = [await recorded_call(store) for _ in range(23)]  # more than are read at once
    whole = SampleCall()
    await record(store, *whole.talk(), whole.ended())
    lines = [json.loads(line) async for line in store.export()]
    assert [line["call"]["id"] for line in lines] == [call.id for call in [*calls, whole]]
    last = lines[-1]
    assert last["call"] == (await store.call(whole.id)).as_dict()
    assert last["events"] == [event.as_dict() for event in whole.events]
    assert [line["text"] for line in last["transcript"]] == ["Hello!", "What is the time?", "It is"]
    assert last["turns"] == [{"turn": 2, "time": whole.at(9), **LATENCY}]
    assert [(each["stage"], each["downtime_ms"]) for each in last["restarts"]] == [("tts", 1.5)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    metadata=st.dictionaries(st.text(st.characters()), anything, max_size=3), text=st.text(st.characters(), max_size=40)
)
def test_whatever_a_client_sends_is_on_record(store_in_runner, metadata, text):
    """NUL, lone surrogates and infinities, which one database or the other can't hold, are replaced, not lost."""
    runner, store = store_in_runner

    async def there_and_back():
        call = SampleCall()
        first = call.initiated(metadata=metadata)
        line = call.event("call.transcript", role="user", text=text, final=True)
        store.write(entries_of(first))
        assert await committed(store, entries_of(line))
        found, (said,) = await store.call(call.id), await store.transcript(call.id)
        assert found.metadata == plain(metadata)
        assert said.text == plain(text)
        assert [event.data for event in await store.events(call.id)] == [plain(first.data), plain(line.data)]

    runner.run(there_and_back())


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_other_text_is_changed(text):
    assert plain({"a": [text, 1, 2.5, None, True]}) == {"a": [text, 1, 2.5, None, True]}
