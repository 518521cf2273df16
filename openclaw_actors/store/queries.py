"""Reading records. Each function takes a connection of its own transaction, so what it reads fits together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from openclaw_actors.messages import Event
from openclaw_actors.store import search, tables
from openclaw_actors.store.records import (
    FINAL_STATUSES,
    CallQuery,
    CallRecord,
    Page,
    PastCall,
    RecordingRecord,
    TranscriptLine,
)

_calls, _events = tables.calls.c, tables.events.c


def read_call(connection: Connection, call_id: str) -> CallRecord | None:
    """One call."""
    rows = connection.execute(select(tables.calls).where(_calls.id == call_id)).all()
    return _records(connection, rows)[0] if rows else None


def read_call_at_carrier(connection: Connection, carrier_call_id: str) -> str:
    """The newest call with this name of its carrier's; empty: none."""
    statement = select(_calls.id).where(_calls.carrier_call_id == carrier_call_id)
    return connection.scalar(statement.order_by(_calls.id.desc()).limit(1)) or ""


def read_calls(connection: Connection, query: CallQuery) -> Page[CallRecord]:
    """Calls, newest first: ids sort by time."""
    statement = select(tables.calls).order_by(_calls.id.desc()).limit(query.limit + 1)
    for column, wanted in (
        (_calls.status, query.status),
        (_calls.transport, query.transport),
        (_calls.direction, query.direction),
    ):
        if wanted:
            statement = statement.where(column == wanted)
    if query.cursor:
        statement = statement.where(_calls.id < query.cursor)
    if query.text:
        statement = statement.where(search.matches(connection.dialect.name, query.text))
    rows = connection.execute(statement).all()
    items = _records(connection, rows[: query.limit])
    return Page(tuple(items), items[-1].id if len(rows) > query.limit else "")


def _records(connection: Connection, rows: Sequence[Row[Any]]) -> list[CallRecord]:
    ids = [row.id for row in rows]
    totals: dict[str, list[int]] = defaultdict(list)
    turns = tables.turns.c
    for call_id, total in connection.execute(
        select(turns.call_id, turns.total_ms).where(turns.call_id.in_(ids), turns.total_ms.is_not(None))
    ):
        totals[call_id].append(total)
    restarts: dict[str, Counter[str]] = defaultdict(Counter)
    came_back = tables.restarts.c
    for call_id, stage, times in connection.execute(
        select(came_back.call_id, came_back.stage, func.count())
        .where(came_back.call_id.in_(ids))
        .group_by(came_back.call_id, came_back.stage)
    ):
        restarts[call_id][stage] = times
    recorded = _recordings(connection, ids)
    records = []
    for row in rows:
        values = {name: value for name, value in row._mapping.items() if name != "host"}  # noqa: SLF001 - public by its documentation
        records.append(
            CallRecord(
                **values,
                restarts=dict(restarts[row.id]),
                latency=percentiles(totals[row.id]),
                recordings=tuple(recorded[row.id]),
            )
        )
    return records


def _recordings(connection: Connection, call_ids: Sequence[str]) -> dict[str, list[RecordingRecord]]:
    found: dict[str, list[RecordingRecord]] = defaultdict(list)
    for recording in _recordings_where(connection, tables.recordings.c.call_id.in_(call_ids)):
        found[recording.call_id].append(recording)
    return found


def _recordings_where(connection: Connection, condition: ColumnElement[bool]) -> list[RecordingRecord]:
    columns = [column for column in tables.recordings.columns if column.name != "number"]
    rows = connection.execute(select(*columns).where(condition).order_by(columns[0], columns[1]))
    return [RecordingRecord(**row) for row in rows.mappings()]


def read_recordings(connection: Connection, call_id: str) -> list[RecordingRecord]:
    """The parts that were recorded of a call, in order."""
    return _recordings(connection, [call_id])[call_id]


def read_old_recordings(connection: Connection, started_before: str) -> list[RecordingRecord]:
    """What began before that time (RFC 3339) and may still have a file."""
    columns = tables.recordings.c
    kept = columns.state.in_(("ready", "failed")) & (columns.file != "")
    return _recordings_where(connection, kept & (columns.started_at < started_before))


def read_statuses(connection: Connection, call_ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these calls that is on record."""
    rows = connection.execute(select(_calls.id, _calls.status).where(_calls.id.in_(call_ids)))
    return {row.id: row.status for row in rows}


def percentiles(totals: Sequence[int]) -> dict[str, int]:
    """The median and the 95th percentile of turns' latencies, milliseconds; empty without turns."""
    if not totals:
        return {}
    ordered = sorted(totals)
    last = len(ordered) - 1
    return {f"turn_p{p}_ms": ordered[round(last * p / 100)] for p in (50, 95)}


def read_past_calls(connection: Connection, transports: Sequence[str], since: str) -> list[PastCall]:
    """Calls on these transports that have ended after ``since``, the first to end first."""
    statement = _past_calls(transports).where(_calls.ended_at > since).order_by(_calls.ended_at)
    return [_past_call(row) for row in connection.execute(statement)]


def read_calls_elsewhere(
    connection: Connection, host: str, transports: Sequence[str], since: str, now: datetime
) -> list[PastCall]:
    """Calls of other hosts than ``host`` that ended after ``since``, or run: as if they ended ``now``."""
    running = _calls.status.not_in(FINAL_STATUSES)
    statement = _past_calls(transports).where(_calls.host != host, running | (_calls.ended_at > since))
    return [_past_call(row, now) for row in connection.execute(statement)]


def _past_calls(transports: Sequence[str]) -> Select[Any]:
    columns = (_calls.direction, _calls.started_at, _calls.answered_at, _calls.ended_at)
    return select(*columns).where(_calls.transport.in_(transports))


def _past_call(row: Any, now: datetime | None = None) -> PastCall:
    began_at = datetime.fromisoformat(row.started_at).timestamp()
    ended_at = (datetime.fromisoformat(row.ended_at) if row.ended_at or now is None else now).timestamp()
    up_s = ended_at - datetime.fromisoformat(row.answered_at).timestamp() if row.answered_at else 0.0
    return PastCall(row.direction, began_at, ended_at, max(0.0, up_s))


def read_transcript(connection: Connection, call_id: str) -> list[TranscriptLine]:
    """The final lines of a call, as they were said."""
    lines = tables.transcripts.c
    rows = connection.execute(
        select(lines.role, lines.text, lines.time, lines.sequence, lines.cut, lines.turn)
        .where(lines.call_id == call_id)
        .order_by(lines.sequence, lines.number)
    )
    return [TranscriptLine(*row) for row in rows]


def read_events(connection: Connection, call_id: str | None, after: str | int, limit: int) -> list[Event]:
    """Events behind ``after``: of one call by sequence, of all in the order of their commits."""
    statement = select(tables.events).limit(limit)
    if call_id is not None:
        statement = statement.where(_events.call_id == call_id)
    statement = statement.order_by(_events.sequence if call_id is not None else _events.position)
    if after:
        statement = _behind(connection, statement, call_id, after)
    return [
        Event(row.id, row.type, row.time, row.call_id or "", row.sequence, row.data)
        for row in connection.execute(statement)
    ]


def _behind(connection: Connection, statement: Select[Any], call_id: str | None, after: str | int) -> Select[Any]:
    if isinstance(after, int):
        return statement.where((_events.sequence if call_id is not None else _events.position) > after)
    found = connection.execute(select(_events.position, _events.sequence).where(_events.id == after)).one_or_none()
    if found is None:
        # It has been erased, or was never committed; ids sort by time, which is as near as can be told.
        return statement.where(_events.id > after)
    if call_id is not None:
        return statement.where(_events.sequence > found.sequence)
    return statement.where(_events.position > found.position)


def export_calls(connection: Connection, after: str, limit: int) -> list[dict[str, Any]]:
    """Everything on record of the calls behind id ``after``, oldest first."""
    rows = connection.execute(select(tables.calls).where(_calls.id > after).order_by(_calls.id).limit(limit)).all()
    return [
        {
            "call": record.as_dict(),
            "turns": _rows(connection, tables.turns, record.id),
            "transcript": [line.as_dict() for line in read_transcript(connection, record.id)],
            "restarts": _rows(connection, tables.restarts, record.id),
            "events": _export_events(connection, record.id),
        }
        for record in _records(connection, rows)
    ]


def _rows(connection: Connection, table: Any, call_id: str) -> list[dict[str, Any]]:
    columns = [column for column in table.columns if column.name not in {"number", "call_id"}]
    rows = connection.execute(select(*columns).where(table.c.call_id == call_id).order_by(table.c.number))
    return [dict(row) for row in rows.mappings()]


def _export_events(connection: Connection, call_id: str) -> list[dict[str, Any]]:
    rows = connection.execute(select(tables.events).where(_events.call_id == call_id).order_by(_events.sequence))
    return [Event(row.id, row.type, row.time, call_id, row.sequence, row.data).as_dict() for row in rows]
