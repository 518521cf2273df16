"""Messages that callers left, as rows. What moves them from state to state is telephony/voicemail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, String, cast, delete, func, insert, select, update

from openclaw_actors.messages import Event
from openclaw_actors.store import tables
from openclaw_actors.store.claims import Claim
from openclaw_actors.store.entries import EventEntry
from openclaw_actors.store.erasure import overwrite
from openclaw_actors.store.recording import Recording, plain
from openclaw_actors.store.records import Page, VoicemailQuery, VoicemailRecord, VoicemailUse

Result = TypeVar("Result")

FINAL_STATES = ("done", "failed", "kept")
"""Nothing is done for a message in one of these, unless somebody asks for it."""

_rows = tables.voicemails.c


class Do(Protocol):
    """Store._do: something done by the writer, and its result once it is committed."""

    def __call__(
        self, apply: Callable[[Connection], Result], *, after: Callable[[Connection], None] | None = None
    ) -> Awaitable[Result]:
        """Do it."""


class Read(Protocol):
    """Store._read."""

    def __call__(self, read: Callable[[Connection], Result]) -> Awaitable[Result]:
        """Read it."""


class Voicemails:
    """All that are on record; made by the Store. What is awaited raises StoreUnavailableError.

    Each belongs to one host, which alone moves it on. A host takes over what dead ones have left (``adopt``).

    Args:
        do: has the writer do something.
        read: reads.
        recording: writes events.
        claim: this host's.
    """

    def __init__(self, do: Do, read: Read, recording: Recording, claim: Claim) -> None:
        self._do = do
        self._read = read
        self._recording = recording
        self._claim = claim

    async def add(self, record: VoicemailRecord, events: Sequence[Event] = ()) -> None:
        """Put a new one on record, as this host's; one of that id is left as it is."""

        def apply(connection: Connection) -> None:
            if connection.scalar(select(_rows.id).where(_rows.id == record.id)) is not None:
                return
            values = {name: plain(value) for name, value in asdict(record).items()}
            connection.execute(insert(tables.voicemails), {**values, "host": self._claim.host})
            self._recording.apply(connection, [EventEntry(event) for event in events])

        await self._do(apply)

    async def advance(
        self,
        ids: Sequence[str],
        states: Sequence[str],
        events: Sequence[Event] = (),
        *,
        of_call: str | None = None,
        **values: Any,
    ) -> bool:
        """Change all of ``ids`` and write ``events`` with it, if each may be changed; whether it was done.

        Args:
            ids: of some messages.
            states: each must be in one of these.
            events: that tell of it.
            of_call: each must have this ``callback_call_id``; None: any.
            values: what is changed, by column.
        """

        def apply(connection: Connection) -> bool:
            chosen = select(_rows.id).where(_rows.id.in_(ids), _rows.state.in_(states)).with_for_update()
            if of_call is not None:
                chosen = chosen.where(_rows.callback_call_id == of_call)
            if len(connection.scalars(chosen).all()) != len(set(ids)):
                return False
            changed = {name: plain(value) for name, value in values.items()}
            connection.execute(update(tables.voicemails).where(_rows.id.in_(ids)).values(**changed))
            for event in events:  # each by itself: one that is on record already stands in no other's way
                self._recording.apply(connection, [EventEntry(event)])
            return True

        return await self._do(apply)

    async def adopt(self) -> int:
        """Take over what hosts that are gone have not brought to its end; how many."""

        def apply(connection: Connection) -> int:
            unfinished = _rows.state.not_in(FINAL_STATES)
            hosts = connection.scalars(select(_rows.host).where(unfinished).distinct()).all()
            gone = [host for host in hosts if not self._claim.alive(connection, host)]
            if not gone:
                return 0
            changed = update(tables.voicemails).where(unfinished, _rows.host.in_(gone)).values(host=self._claim.host)
            return connection.execute(changed).rowcount

        return await self._do(apply)

    async def claim(self, voicemail_id: str) -> None:
        """From now on it is this host's to look after: somebody has asked this one for something."""
        changed = update(tables.voicemails).where(_rows.id == voicemail_id).values(host=self._claim.host)
        await self._do(lambda connection: connection.execute(changed).rowcount)

    async def read(self, voicemail_id: str) -> VoicemailRecord | None:
        """One of them."""
        found = await self._select(select(tables.voicemails).where(_rows.id == voicemail_id))
        return found[0] if found else None

    async def unfinished(self) -> list[VoicemailRecord]:
        """What this host has still to bring to its end, the oldest first."""
        return await self._select(
            select(tables.voicemails)
            .where(_rows.host == self._claim.host, _rows.state.not_in(FINAL_STATES))
            .order_by(_rows.id)
        )

    async def page(self, query: VoicemailQuery) -> Page[VoicemailRecord]:
        """Some of them, newest first: ids sort by time."""
        statement = select(tables.voicemails).order_by(_rows.id.desc()).limit(query.limit + 1)
        if query.state:
            statement = statement.where(_rows.state == query.state)
        if query.caller:
            statement = statement.where(_rows.caller == query.caller)
        if query.cursor:
            statement = statement.where(_rows.id < query.cursor)
        found = await self._select(statement)
        shown = found[: query.limit]
        return Page(tuple(shown), shown[-1].id if len(found) > query.limit else "")

    async def use(self, caller: str, since: str) -> VoicemailUse:
        """How much is kept, and how many of it ``caller`` has left after ``since`` (RFC 3339)."""

        def read(connection: Connection) -> VoicemailUse:
            messages, size = connection.execute(
                select(func.count(), func.coalesce(func.sum(_rows.bytes), 0)).select_from(tables.voicemails)
            ).one()
            theirs = connection.scalar(select(func.count()).where(_rows.caller == caller, _rows.received_at > since))
            return VoicemailUse(int(messages), int(size), int(theirs or 0))

        return await self._read(read)

    async def old(self, before: str, limit: int = 100) -> list[str]:
        """Ids of those that are done with and came before that time (RFC 3339)."""

        def read(connection: Connection) -> list[str]:
            done = _rows.state.in_(FINAL_STATES)
            return [*connection.scalars(select(_rows.id).where(done, _rows.received_at < before).limit(limit))]

        return await self._read(read)

    async def erase(self, voicemail_id: str, states: Sequence[str] = ()) -> bool:
        """Remove it, and the events that tell of it; False when there is none (in one of ``states``)."""

        def apply(connection: Connection) -> bool:
            wanted = delete(tables.voicemails).where(_rows.id == voicemail_id)
            if states:
                wanted = wanted.where(_rows.state.in_(states))
            if not connection.execute(wanted).rowcount:
                return False
            events, outbox = tables.events, tables.webhook_outbox
            named = f'"{voicemail_id}"'
            connection.execute(
                delete(events).where(events.c.call_id.is_(None), cast(events.c.data, String).contains(named))
            )
            connection.execute(
                delete(outbox).where(outbox.c.call_id.is_(None), outbox.c.body.contains(named, autoescape=True))
            )
            return True

        return await self._do(apply, after=overwrite)

    async def _select(self, statement: Any) -> list[VoicemailRecord]:
        return await self._read(lambda connection: [_record(row) for row in connection.execute(statement)])


def _record(row: Row[Any]) -> VoicemailRecord:
    return VoicemailRecord(**{name: value for name, value in row._mapping.items() if name != "host"})  # noqa: SLF001 - public by its documentation
