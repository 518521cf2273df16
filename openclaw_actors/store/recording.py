"""Entries as rows. Runs in the writer's transaction; the caller repeats it when the commit fails."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store import tables
from openclaw_actors.store.claims import Claim
from openclaw_actors.store.database import standing_aside
from openclaw_actors.store.entries import (
    CallEntry,
    EngineEntry,
    Entry,
    EventEntry,
    RecordingEntry,
    RestartEntry,
    TranscriptEntry,
    TurnEntry,
)
from openclaw_actors.store.records import FINAL_STATUSES, LostCall

_log = get_logger(__name__)

# Statements are built once: building them for each event made it 0.44 ms of CPU in place of 0.08.
_NEW_TURN, _NEW_LINE = insert(tables.turns), insert(tables.transcripts)
_NEW_RESTART, _NEW_DELIVERY = insert(tables.restarts), insert(tables.webhook_outbox)


@dataclass(frozen=True, slots=True)
class _Statements:
    """Those that stand aside when the row is there already."""

    new_call: Any
    new_event: Any
    new_recording: Any


@cache
def _statements(dialect: str) -> _Statements:
    event = standing_aside(dialect, tables.events).on_conflict_do_nothing(index_elements=["id"])
    return _Statements(
        new_call=standing_aside(dialect, tables.calls).on_conflict_do_nothing(),
        new_event=event.returning(tables.events.c.id),
        new_recording=standing_aside(dialect, tables.recordings).on_conflict_do_nothing(),
    )


_CALL_COLUMNS = frozenset(tables.calls.columns.keys()) - {"id", "host"}
_LATENCY = frozenset(name for name in tables.turns.columns.keys() if name.endswith("_ms"))  # noqa: SIM118 - columns


class Recording:
    """Writes entries for one host.

    Args:
        claim: of this host.
        webhook_urls: each event is put into the outbox once for each.
        lost_reason: why a call ended whose host is gone.
    """

    def __init__(self, claim: Claim, webhook_urls: Sequence[str], lost_reason: str = "host_restarted") -> None:
        self._claim = claim
        self._lost_reason = lost_reason
        self._urls = tuple(webhook_urls)

    def apply(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write all of them. An event that is on record already came with the rest: then nothing is written twice."""
        for entry in entries:
            match entry:
                case EventEntry(event):
                    if not self._event(connection, event):
                        return
                case CallEntry(call_id, at, values):
                    self._call(connection, call_id, at)
                    self._update(connection, call_id, {key: plain(value) for key, value in values.items()})
                case EngineEntry(call_id, stage, engine):
                    self._engine(connection, call_id, stage, engine)
                case RecordingEntry():
                    self._recording(connection, entry)
                case _:
                    self._part(connection, entry)

    # --- calls ------------------------------------------------------------------------------------

    def _call(self, connection: Connection, call_id: str, at: str) -> None:
        """Make the call's row if there is none: even when its beginning was lost, the rest of it is on record."""
        row = {"id": call_id, "host": self._claim.host, "started_at": at}
        connection.execute(_statements(connection.dialect.name).new_call, row)

    def _update(self, connection: Connection, call_id: str, values: dict[str, Any]) -> None:
        if values:
            unknown = values.keys() - _CALL_COLUMNS
            if unknown:
                raise ValueError(f"calls have no {', '.join(sorted(unknown))}")
            connection.execute(update(tables.calls).where(tables.calls.c.id == call_id).values(**values))

    def _engine(self, connection: Connection, call_id: str, stage: str, engine: str) -> None:
        engines = connection.scalar(select(tables.calls.c.engines).where(tables.calls.c.id == call_id))
        self._update(connection, call_id, {"engines": {**(engines or {}), stage: engine}})

    def _recording(self, connection: Connection, entry: RecordingEntry) -> None:
        self._call(connection, entry.call_id, entry.at)
        key = {"call_id": entry.call_id, "part": entry.part}
        connection.execute(_statements(connection.dialect.name).new_recording, key)
        if entry.values:
            columns = tables.recordings.c
            row = (columns.call_id == entry.call_id) & (columns.part == entry.part)
            connection.execute(update(tables.recordings).where(row).values(**entry.values))

    def _part(self, connection: Connection, entry: TurnEntry | TranscriptEntry | RestartEntry) -> None:
        values = {name: plain(getattr(entry, name)) for name in entry.__slots__ if name != "latency"}
        self._call(connection, entry.call_id, entry.time)
        match entry:
            case TurnEntry():
                parts = {name: value for name, value in entry.latency.items() if name in _LATENCY}
                connection.execute(_NEW_TURN, {**values, **parts})
            case TranscriptEntry(text="", cut=True):
                self._cut_last_line(connection, entry)
            case TranscriptEntry():
                connection.execute(_NEW_LINE, values)
            case RestartEntry():
                connection.execute(_NEW_RESTART, values)

    def _cut_last_line(self, connection: Connection, cut: TranscriptEntry) -> None:
        """Nothing more was heard behind the line that a turn has last."""
        columns = tables.transcripts.c
        lines = (columns.call_id == cut.call_id) & (columns.turn == cut.turn) & (columns.role == cut.role)
        last = select(func.max(columns.number)).where(lines).scalar_subquery()
        connection.execute(update(tables.transcripts).where(columns.number == last).values(cut=True))

    # --- events -----------------------------------------------------------------------------------

    def _event(self, connection: Connection, event: Event) -> bool:
        """Write the event and its deliveries; False when it is on record already."""
        if event.call_id:
            self._call(connection, event.call_id, event.time)
        row = {
            "id": event.id,
            "call_id": event.call_id or None,
            "sequence": event.sequence,
            "type": event.type,
            "time": event.time,
            "data": plain(event.data),
        }
        if connection.scalar(_statements(connection.dialect.name).new_event, row) is None:
            return False
        if self._urls and is_delivered(event):
            body = json.dumps(plain(event.as_dict()), ensure_ascii=False, separators=(",", ":"))
            now = time.time()
            delivery = {
                "host": self._claim.host,
                "event_id": event.id,
                "event_type": event.type,
                "call_id": event.call_id or None,
                "body": body,
                "state": "pending",
                "next_at": now,
                "created_at": now,
            }
            connection.execute(_NEW_DELIVERY, [{**delivery, "url": url} for url in self._urls])
        return True

    # --- the host before this one -----------------------------------------------------------------

    def gone(self, connection: Connection) -> list[str]:
        """The hosts that have calls or deliveries on record, and do not hold their lock."""
        calls, outbox = tables.calls.c, tables.webhook_outbox.c
        live = select(calls.host).where(calls.status.not_in(FINAL_STATUSES))
        hosts = connection.scalars(live.union(select(outbox.host).where(outbox.state == "pending"))).all()
        return [host for host in hosts if not self._claim.alive(connection, host)]

    def adopt(self, connection: Connection, spared: Collection[str] = ()) -> list[LostCall]:
        """End on paper the calls whose host is gone, and take over its deliveries; which calls these were.

        Args:
            connection: of the writer.
            spared: hosts of which it is known otherwise that they live.
        """
        calls, outbox = tables.calls.c, tables.webhook_outbox.c
        unfinished = calls.status.not_in(FINAL_STATUSES)
        gone = [host for host in self.gone(connection) if host not in spared]
        if not gone:
            return []
        connection.execute(
            update(tables.webhook_outbox)
            .where(outbox.host.in_(gone), outbox.state == "pending")
            .values(host=self._claim.host)
        )
        lost = connection.execute(
            select(
                calls.id,
                calls.started_at,
                calls.answered_at,
                calls.transport,
                calls.carrier_call_id,
                calls.direction,
            )
            .where(unfinished, calls.host.in_(gone))
            .order_by(calls.id)
            # Of several hosts that look at the same moment one ends a call (PostgreSQL; of SQLite one alone writes).
            .with_for_update(skip_locked=True)
        ).all()
        return [self._end_lost(connection, row) for row in lost]

    def _end_lost(self, connection: Connection, row: Any) -> LostCall:
        """End it on paper."""
        events = tables.events.c
        sequence, seen_at = connection.execute(
            select(func.max(events.sequence), func.max(events.time)).where(events.call_id == row.id)
        ).one()
        ended_at = seen_at or row.answered_at or row.started_at
        ended = {"status": "failed", "reason": self._lost_reason, "ended_at": ended_at}
        event = Event(f"evt_{ulid()}", "call.ended", now_rfc3339(), row.id, (sequence or 0) + 1, ended)
        self._event(connection, event)
        values = {"status": "failed", "end_reason": self._lost_reason, "ended_at": ended_at, "media_state": "closed"}
        self._update(connection, row.id, values)
        return LostCall(row.id, row.transport, row.carrier_call_id, row.direction, ended_at, event)


def is_delivered(event: Event) -> bool:
    """Whether webhooks hear of it: not of half-heard words and the stages' states, several a second, for pages."""
    if event.type in {"call.stages", "node.draining"}:
        return False
    return not (event.type == "call.transcript" and event.data.get("final") is False)


def plain(value: Any) -> Any:
    """The value as any database takes it.

    PostgreSQL's text holds no NUL, UTF-8 no lone surrogates, and JSON no infinities; clients may send all three.
    """
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {plain(str(key)): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return plain(dict(value)) if hasattr(value, "keys") else plain(str(value))
