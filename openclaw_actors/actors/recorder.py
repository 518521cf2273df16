"""Recorder: puts on record what calls publish, and lets listeners hear of it when it is there.

A listener that has been told of an event finds it in the records, even when the host is killed in the next moment.
Where the database does not take it, listeners are told all the same: a call never waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import outside
from openclaw_actors.store.entries import (
    CallEntry,
    EngineEntry,
    Entry,
    EventEntry,
    RestartEntry,
    TranscriptEntry,
    TurnEntry,
)

PATIENCE_S = 1.0
"""How long an event waits for its commit, which takes 5-20 ms, before it is told of without."""


class Records(Protocol):
    """What is needed of the store."""

    @property
    def is_writing(self) -> bool:
        """Whether what is given now will be committed soon."""

    def write(self, entry: tuple[Entry, ...], done: Callable[[bool], None]) -> None:
        """As Store.write."""


@dataclass(slots=True)
class _Pending:
    event: Event
    tell: Callable[[Event], None]
    until: float
    settled: bool = False


class Recorder:
    """The journal of an EventHub. Belongs to the running loop."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._pending: deque[_Pending] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def record(self, event: Event, tell: Callable[[Event], None]) -> None:
        """Have the event written, then call ``tell`` with it: in the order of ``record``, never from within it."""
        pending = _Pending(event, tell, self._loop.time() + PATIENCE_S)
        self._pending.append(pending)
        self._records.write(entries_of(event), lambda _: self._settle(pending))
        if not self._records.is_writing:
            pending.until = self._loop.time()
        self._watch()

    def close(self) -> None:
        """Tell what still waits."""
        for pending in self._pending:
            pending.settled = True
        self._tell_settled()

    def _settle(self, pending: _Pending) -> None:
        pending.settled = True
        self._tell_settled()

    def _tell_settled(self) -> None:
        while self._pending and self._pending[0].settled:
            pending = self._pending.popleft()
            pending.tell(pending.event)
        if not self._pending and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        """Look again when the first one's patience is over; at once while the store fails, whoever is first."""
        until = min(self._pending[0].until, self._pending[-1].until)
        if self._timer is not None and self._timer_at <= until:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = until  # not the handle's when(): for what is due at once, uvloop's has none
        self._timer = self._loop.call_at(until, self._lose_patience, context=outside())

    def _lose_patience(self) -> None:
        self._timer = None
        now = self._loop.time()
        # What stands before one whose time is over goes with it: the order is kept.
        late = max((number for number, each in enumerate(self._pending) if each.until <= now), default=-1)
        for number, each in enumerate(self._pending):
            if number > late:
                break
            each.settled = True
        self._tell_settled()
        if self._pending:
            self._watch()


def entries_of(event: Event) -> tuple[Entry, ...]:
    """What an event changes in the records; the event itself comes first."""
    return (EventEntry(event), *_changes(event, event.data))


def _changes(event: Event, data: Any) -> tuple[Entry, ...]:  # noqa: PLR0911 - one line a kind of event
    call_id, at = event.call_id, event.time
    match event.type:
        case "call.queued":
            return (CallEntry(call_id, at, {"status": "queued", "started_at": at, **_beginning(data)}),)
        case "call.initiated":
            return (CallEntry(call_id, at, {"status": "initiated", **_beginning(data)}),)
        case "call.ringing":
            return (CallEntry(call_id, at, {"status": "ringing"}),)
        case "call.answered":
            values = {"status": "in-progress", "answered_at": at, "media_state": "connected"}
            return (CallEntry(call_id, at, values),)
        case "call.media.connected":
            return (CallEntry(call_id, at, {"media_state": "connected"}),)
        case "call.transcript" if data.get("final"):
            line = TranscriptEntry(
                call_id,
                event.sequence,
                at,
                str(data.get("role", "")),
                str(data.get("text", "")),
                cut=bool(data.get("cut")),
                turn=int(data.get("turn") or 0),
            )
            return (line,)
        case "call.turn.completed":
            return (TurnEntry(call_id, int(data.get("turn") or 0), at, dict(data.get("latency") or {})),)
        case "call.stage.restarted":
            return (
                RestartEntry(
                    call_id,
                    at,
                    str(data.get("stage", "")),
                    str(data.get("reason", "")),
                    int(data.get("incarnation") or 0),
                    float(data.get("downtime_ms") or 0),
                ),
            )
        case "call.engine.switched" if data.get("stage") in {"stt", "agent", "tts"}:
            return (EngineEntry(call_id, str(data["stage"]), str(data.get("to", ""))),)
        case "call.ended":
            return (CallEntry(call_id, at, {"ended_at": at, "media_state": "closed", **_end(data)}),)
        case _:
            return ()


def _beginning(data: Any) -> dict[str, Any]:
    return {
        "transport": str(data.get("transport", "")),
        "direction": str(data.get("direction", "")),
        "caller": str(data.get("from", "")),
        "callee": str(data.get("to", "")),
        "engines": dict(data.get("engines") or {}),
        "metadata": dict(data.get("metadata") or {}),
        "resumed_from": str(data.get("resumed_from", "")),
        "carrier_call_id": str(data.get("carrier_call_id", "")),
    }


def _end(data: Any) -> dict[str, Any]:
    return {
        "status": str(data.get("status", "completed")),
        "end_reason": str(data.get("reason", "")),
        "duration_ms": int(data.get("duration_ms") or 0),
    }
