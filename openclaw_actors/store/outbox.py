"""Deliveries to webhooks: which are due, and what came of them. Each host delivers its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select, true, update

from openclaw_actors.store import tables
from openclaw_actors.store.records import Delivery

_outbox = tables.webhook_outbox.c
_earlier = tables.webhook_outbox.alias("earlier")
# The order per call and webhook is kept: only the first that is not delivered yet may go.
_is_first = ~exists().where(
    and_(
        _earlier.c.state == "pending",
        _earlier.c.call_id == _outbox.call_id,
        _earlier.c.url == _outbox.url,
        _earlier.c.number < _outbox.number,
    )
)


def due(connection: Connection, host: str, now: float, limit: int, url: str | None = None) -> list[Delivery]:
    """The deliveries of ``host`` (to ``url`` alone, when given) that may be tried now, longest waiting first."""
    rows = connection.execute(
        select(
            _outbox.number,
            _outbox.event_id,
            _outbox.event_type,
            func.coalesce(_outbox.call_id, "").label("call_id"),
            _outbox.url,
            _outbox.body,
            _outbox.attempts,
            _outbox.next_at,
            _outbox.created_at,
            _outbox.error,
        )
        .where(_outbox.host == host, _of(url), _outbox.state == "pending", _outbox.next_at <= now, _is_first)
        .order_by(_outbox.next_at, _outbox.number)
        .limit(limit)
    )
    return [Delivery(**row) for row in rows.mappings()]


def next_at(connection: Connection, host: str, url: str | None = None) -> float | None:
    """When the next one of ``host`` may be tried, seconds since the epoch; None when none waits."""
    at: float | None = connection.scalar(
        select(func.min(_outbox.next_at)).where(_outbox.host == host, _of(url), _outbox.state == "pending", _is_first)
    )
    return at


def hasten(connection: Connection, host: str, url: str, now: float) -> None:
    """A webhook answers again: what waits for it need not wait any longer."""
    connection.execute(
        update(tables.webhook_outbox)
        .where(_outbox.host == host, _outbox.url == url, _outbox.state == "pending", _outbox.next_at > now)
        .values(next_at=now)
    )


def expire(connection: Connection, host: str, url: str, created_before: float, kept_types: Sequence[str]) -> int:
    """Give up what is older than ``created_before`` (epoch seconds), but for ``kept_types``; how many these were."""
    return connection.execute(
        update(tables.webhook_outbox)
        .where(
            _outbox.host == host,
            _outbox.url == url,
            _outbox.state == "pending",
            _outbox.created_at < created_before,
            _outbox.event_type.not_in(kept_types),
        )
        .values(
            state="failed",
            error=func.coalesce(func.nullif(_outbox.error, ""), "it grew too old, or its receiver is gone"),
        )
    ).rowcount


def abandon(connection: Connection, host: str, kept_urls: Sequence[str]) -> int:
    """Give up what waits for webhooks that are configured no more; how many these were."""
    return connection.execute(
        update(tables.webhook_outbox)
        .where(_outbox.host == host, _outbox.state == "pending", _outbox.url.not_in(kept_urls))
        .values(state="failed", error="the webhook is configured no more")
    ).rowcount


def _of(url: str | None) -> ColumnElement[bool]:
    return true() if url is None else _outbox.url == url


def done(connection: Connection, number: int) -> None:
    """It was delivered."""
    connection.execute(delete(tables.webhook_outbox).where(_outbox.number == number))


def retry(connection: Connection, number: int, at: float, error: str) -> None:
    """One more attempt has failed; the next one may be made at ``at``."""
    connection.execute(
        update(tables.webhook_outbox)
        .where(_outbox.number == number)
        .values(attempts=_outbox.attempts + 1, next_at=at, error=error)
    )


def give_up(connection: Connection, number: int, error: str) -> None:
    """It won't be tried again; the row stays as evidence until retention takes it."""
    connection.execute(
        update(tables.webhook_outbox)
        .where(_outbox.number == number)
        .values(attempts=_outbox.attempts + 1, state="failed", error=error)
    )
