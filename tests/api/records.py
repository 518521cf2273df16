"""Calls and events put on record, and committed, before a test asks for them."""

from __future__ import annotations

import asyncio

from openclaw_actors.messages import Event
from openclaw_actors.stamps import now_rfc3339
from openclaw_actors.store.entries import CallEntry, EventEntry, TranscriptEntry

TIME = now_rfc3339()


async def commit(store, *entries) -> None:
    committed = asyncio.get_running_loop().create_future()
    store.write(entries, committed.set_result)
    assert await asyncio.wait_for(committed, 5)


def call_entry(call_id: str, **values) -> CallEntry:
    values = {
        "status": "completed",
        "transport": "webrtc",
        "direction": "inbound",
        "caller": "127.0.0.1",
        "started_at": TIME,
        "ended_at": TIME,
        "end_reason": "caller_hangup",
        **values,
    }
    return CallEntry(call_id, TIME, values)


def line(call_id: str, sequence: int, role: str, text: str, **more) -> TranscriptEntry:
    return TranscriptEntry(call_id, sequence, TIME, role, text, **more)


def event(call_id: str, sequence: int, kind: str = "call.transcript", **data) -> Event:
    return Event(f"evt_{call_id}_{sequence:05}", kind, TIME, call_id, sequence, data)


async def commit_events(store, *events: Event) -> None:
    await commit(store, *(EventEntry(each) for each in events))
