"""Forgetting: one call on request, old ones by themselves."""

from __future__ import annotations

from sqlalchemy import Connection, delete, or_, select

from openclaw_actors.store import tables

CHUNK = 50
"""Old calls erased in one transaction: some milliseconds, between which events are written."""

_calls, _commands, _events, _outbox = (
    table.c for table in (tables.calls, tables.commands, tables.events, tables.webhook_outbox)
)


def erase_call(connection: Connection, call_id: str) -> bool:
    """Remove all that is on record of a call; whether there was anything. The other tables follow the calls table."""
    if not connection.execute(delete(tables.calls).where(_calls.id == call_id)).rowcount:
        return False  # and nothing else: an id of someone's making must not match what is kept for others
    connection.execute(
        delete(tables.commands).where(
            or_(
                _commands.scope.endswith(f"/calls/{call_id}/actions", autoescape=True),
                # The answer to a request that placed the call holds its record.
                _commands.body.contains(f'"{call_id}"', autoescape=True),
            )
        )
    )
    return True


def erase_before(connection: Connection, ended_before: str) -> int:
    """Remove some calls that ended before that time (RFC 3339); how many, CHUNK when there may be more."""
    old = connection.scalars(
        select(_calls.id).where(_calls.ended_at != "", _calls.ended_at < ended_before).limit(CHUNK)
    ).all()
    connection.execute(delete(tables.calls).where(_calls.id.in_(old)))
    if len(old) < CHUNK:
        connection.execute(delete(tables.events).where(_events.call_id.is_(None), _events.time < ended_before))
    return len(old)


def erase_expired(connection: Connection, now: float, failed_before: float) -> None:
    """Remove answers whose time is over, and deliveries that were given up before ``failed_before``; epoch seconds."""
    connection.execute(delete(tables.commands).where(_commands.expires_at <= now))
    connection.execute(
        delete(tables.webhook_outbox).where(_outbox.state == "failed", _outbox.created_at < failed_before)
    )


def overwrite(connection: Connection) -> None:
    """Let nothing of what was removed linger in SQLite's log; in the file it is overwritten (PRAGMA secure_delete)."""
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
