"""Requests that must not be done twice: keys, what they were used for, and the answers given.

draft-ietf-httpapi-idempotency-key-header-07: another payload under the same key is 422, a repetition while the first
is at work 409, and later the first answer comes again.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, select, update

from openclaw_actors.store import tables
from openclaw_actors.store.database import standing_aside
from openclaw_actors.store.records import CommandState, Conflict, Fresh, InFlight, Replay

IN_FLIGHT_S = 60.0
"""A command that has not been finished by then never will be: its host was killed. The key may be used again."""
KEPT_S = 86_400.0
"""How long an answer is kept, as other APIs do: a client that retries for longer has another problem."""

_commands = tables.commands.c


def begin(connection: Connection, scope: str, key: str, fingerprint: str, now: float) -> CommandState:
    """Take the key for a request, or tell what has become of the one that has it."""
    where = and_(_commands.scope == scope, _commands.key == key)
    connection.execute(delete(tables.commands).where(where, _commands.expires_at <= now))
    row = {
        "scope": scope,
        "key": key,
        "fingerprint": fingerprint,
        "state": "in_flight",
        "status": 0,
        "body": "",
        "expires_at": now + IN_FLIGHT_S,
    }
    # Of two hosts that share a PostgreSQL, the second waits here for the first's commit.
    insertion = standing_aside(connection.dialect.name, tables.commands).values(row).on_conflict_do_nothing()
    if connection.scalar(insertion.returning(_commands.key)) is not None:
        return Fresh()
    known = connection.execute(select(tables.commands).where(where)).one()
    if known.fingerprint != fingerprint:
        return Conflict()
    return Replay(known.status, known.body) if known.state == "done" else InFlight()


def finish(connection: Connection, scope: str, key: str, status: int, body: str, now: float) -> None:
    """Keep the answer."""
    connection.execute(
        update(tables.commands)
        .where(_commands.scope == scope, _commands.key == key)
        .values(state="done", status=status, body=body, expires_at=now + KEPT_S)
    )


def forget(connection: Connection, scope: str, key: str) -> None:
    """Give the key back: nothing was done under it."""
    connection.execute(delete(tables.commands).where(_commands.scope == scope, _commands.key == key))
