"""Store: the records of this host, seen from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from openclaw_actors.errors import SettingsError, StoreUnavailableError
from openclaw_actors.messages import Event
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import StoreSettings
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store import commands, database, erasure, outbox, queries
from openclaw_actors.store.claims import Claim, claim_for
from openclaw_actors.store.entries import Entry
from openclaw_actors.store.faults import Fault, diagnose
from openclaw_actors.store.recording import Recording
from openclaw_actors.store.records import (
    CallQuery,
    CallRecord,
    CommandState,
    Delivery,
    LostCall,
    Page,
    PastCall,
    RecordingRecord,
    TranscriptLine,
)
from openclaw_actors.store.voicemails import Voicemails
from openclaw_actors.store.writer import Work, Writer

_log = get_logger(__name__)

Result = TypeVar("Result")

READERS = 2
"""Threads that read: one list that takes long does not make the next reader wait."""
ANSWER_S = 5.0
"""How long a request waits for the database before it is told to come back."""
OPEN_S = 30.0
"""How long a start waits for it: another program's backup may hold the lock."""
CLOSE_S = 5.0
"""How long a stop waits until all is written."""
EXPORTED_AT_ONCE = 20
RETENTION_S = 3600.0


class Store:
    """The records of this host. All of it belongs to the loop that opened it; made by ``open``.

    What is awaited raises StoreUnavailableError when the database can't be read or written now.
    """

    def __init__(
        self,
        url: URL,
        engine: Engine,
        claim: Claim,
        settings: StoreSettings,
        urls: Sequence[str],
        lost_reason: str = "host_restarted",
    ) -> None:
        self._settings = settings
        self._claim = claim
        self._engine = engine
        self._read_engine = database.make_engine(url, connections=READERS, writes=False)
        self._readers = ThreadPoolExecutor(READERS, "store-read")
        self._recording = Recording(claim, urls, lost_reason)
        self._writer = Writer(engine, claim, settings.queue, asyncio.get_running_loop())
        self._retention: asyncio.Task[None] | None = None
        self._closed = False
        self.voicemails = Voicemails(self._do, self._read, self._recording, claim)
        """Messages that callers left."""
        self.lost: tuple[LostCall, ...] = ()
        """Calls of hosts that died, found when the store was opened: they are ended on paper."""

    @classmethod
    async def open(
        cls, settings: StoreSettings, webhook_urls: Sequence[str] = (), lost_reason: str = "host_restarted"
    ) -> Store:
        """Open the database, bring its tables to this version, and end on paper the calls of a host that was killed.

        Args:
            settings: the section ``store``.
            webhook_urls: each event is put into the outbox once for each.
            lost_reason: why a call ended whose host is gone.

        Raises:
            SettingsError: the URL is wrong, or the database behind it can't be opened.
        """
        url = database.resolve(settings.url)
        engine = database.make_engine(url, connections=1, writes=True)
        opener = ThreadPoolExecutor(1, "store-open")
        try:
            claim = await asyncio.get_running_loop().run_in_executor(opener, _prepare, engine)
        except BaseException:
            engine.dispose()
            raise
        finally:
            opener.shutdown(wait=False)
        store = cls(url, engine, claim, settings, webhook_urls, lost_reason)
        try:
            store.lost = tuple(await store._do(store._recording.adopt, within_s=OPEN_S))
        except StoreUnavailableError as error:
            await store.aclose()
            raise SettingsError("the settings", "store.url", error.detail) from error
        except BaseException:
            await store.aclose()
            raise
        if store.lost:
            _log.warning("calls that a host left behind when it died are recorded as failed", calls=len(store.lost))
        store._retention = asyncio.get_running_loop().create_task(store._forget_hourly(), name="store retention")
        return store

    async def aclose(self) -> None:
        """Write what waits (at most CLOSE_S) and close; nothing may be asked any more. Once is enough."""
        if self._closed:
            return
        self._closed = True
        if self._retention is not None:
            self._retention.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retention
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._readers, self._writer.close, CLOSE_S)
        await loop.run_in_executor(self._readers, self._dispose)
        self._readers.shutdown(wait=True)

    def _dispose(self) -> None:
        self._engine.dispose()
        self._read_engine.dispose()
        self._claim.release()

    @property
    def is_writing(self) -> bool:
        """Whether what is given now will be committed soon, as far as is known."""
        return self._writer.fault is None

    @property
    def health(self) -> dict[str, Any]:
        """``ok``, ``queue`` (entries that wait), and when it is not ok ``reason`` and ``detail``. JSON-ready."""
        fault = self._writer.fault
        shown: dict[str, Any] = {"ok": fault is None, "queue": self._writer.waiting}
        if fault is not None:
            shown |= {"reason": fault.reason, "detail": f"{fault.detail}. {fault.remedy}"}
        return shown

    @property
    def host(self) -> str:
        """The name by which this host's calls are on record, new at each start."""
        return self._claim.host

    async def gone_hosts(self) -> tuple[str, ...]:
        """The hosts that have calls or deliveries on record, and hold their lock no more."""
        return tuple(await self._do(self._recording.gone))

    async def take_over(self, spared: Collection[str] = ()) -> tuple[LostCall, ...]:
        """End on paper the calls of hosts that died since the last look, and take over their webhooks.

        Args:
            spared: hosts (``host``) of which it is known otherwise that they live.
        """
        return tuple(await self._do(lambda connection: self._recording.adopt(connection, spared)))

    # --- writing ----------------------------------------------------------------------------------

    def write(self, entry: Entry | Sequence[Entry], done: Callable[[bool], None] | None = None) -> None:
        """Write an entry, or several that are committed together, behind those given before. Never blocks.

        While the database can't be written they wait, up to ``store.queue`` of them.

        Args:
            entry: what to write.
            done: told on the loop, never from within this call: whether it is committed. False at once when the
                queue is full.
        """
        entries = tuple(entry) if isinstance(entry, Sequence) else (entry,)

        def finished(_: Any, fault: Fault | None) -> None:
            if done is not None:
                done(fault is None)

        taken = self._writer.submit(Work(lambda connection: self._recording.apply(connection, entries), finished))
        if not taken:
            self._writer.lose()
            if done is not None:
                asyncio.get_running_loop().call_soon(done, False)

    async def settle(self) -> None:
        """Return when all that was given to ``write`` before is committed."""
        await self._do(lambda _: None)

    async def _do(
        self,
        apply: Callable[[Connection], Result],
        *,
        after: Callable[[Connection], None] | None = None,
        within_s: float | None = None,
    ) -> Result:
        """Have the writer do something and wait for its commit."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def finished(result: Result, fault: Fault | None) -> None:
            if future.done():
                return
            if fault is None:
                future.set_result(result)
            else:
                future.set_exception(_unavailable(fault))

        work = Work(apply, finished, after)
        if not self._writer.submit(work):
            raise StoreUnavailableError("The database does not keep up; see the log of this host.")
        try:
            async with asyncio.timeout(within_s or ANSWER_S):
                return await future
        except TimeoutError:
            raise _unavailable(self._writer.fault) from None
        finally:
            work.dropped = True

    # --- reading ----------------------------------------------------------------------------------

    async def _read(self, read: Callable[[Connection], Result]) -> Result:
        def in_thread() -> Result:
            with self._read_engine.begin() as connection:
                return read(connection)

        try:
            async with asyncio.timeout(ANSWER_S):
                return await asyncio.get_running_loop().run_in_executor(self._readers, in_thread)
        except TimeoutError:
            raise _unavailable(self._writer.fault) from None
        except SQLAlchemyError as error:
            fault = diagnose(error)
            metrics.store_failures_total.labels(reason=fault.reason).inc()
            _log.exception("records can't be read", reason=fault.reason, remedy=fault.remedy)
            raise _unavailable(fault) from error

    async def calls(self, query: CallQuery) -> Page[CallRecord]:
        """Calls, newest first."""
        return await self._read(lambda connection: queries.read_calls(connection, query))

    async def call(self, call_id: str) -> CallRecord | None:
        """One call; None when it is not on record."""
        return await self._read(lambda connection: queries.read_call(connection, call_id))

    async def call_at_carrier(self, carrier_call_id: str) -> str:
        """The newest call that its carrier calls so; empty: none."""
        return await self._read(lambda connection: queries.read_call_at_carrier(connection, carrier_call_id))

    async def transcript(self, call_id: str) -> list[TranscriptLine]:
        """What was said in a call, final lines only; empty for an unknown one."""
        return await self._read(lambda connection: queries.read_transcript(connection, call_id))

    async def events(self, call_id: str | None, after: str | int = "", limit: int = 500) -> list[Event]:
        """Events in order: of one call by sequence, of all (``call_id`` None) as they were committed.

        Args:
            call_id: the call.
            after: only what came behind it: an event's id or, with ``call_id``, a sequence.
            limit: at most so many; ask again behind the last of them.
        """
        return await self._read(lambda connection: queries.read_events(connection, call_id, after, limit))

    async def recordings(self, call_id: str) -> list[RecordingRecord]:
        """The parts that were recorded of a call, in order; empty for an unknown one."""
        return await self._read(lambda connection: queries.read_recordings(connection, call_id))

    async def old_recordings(self, started_before: str) -> list[RecordingRecord]:
        """Recordings that began before that time (RFC 3339) and may still have a file."""
        return await self._read(lambda connection: queries.read_old_recordings(connection, started_before))

    async def statuses(self, call_ids: Sequence[str]) -> dict[str, str]:
        """The status of each of these calls that is on record."""
        return await self._read(lambda connection: queries.read_statuses(connection, call_ids))

    async def past_calls(self, transports: Sequence[str], since: str) -> list[PastCall]:
        """The calls on ``transports`` that ended after ``since`` (RFC 3339), the first to end first."""
        return await self._read(lambda connection: queries.read_past_calls(connection, transports, since))

    async def calls_elsewhere(self, transports: Sequence[str], since: str) -> list[PastCall]:
        """The calls of other hosts on ``transports`` that run, as if they ended now, or ended after ``since``."""
        host, now = self._claim.host, datetime.now(UTC)
        return await self._read(
            lambda connection: queries.read_calls_elsewhere(connection, host, transports, since, now)
        )

    async def export(self) -> AsyncIterator[str]:
        """Everything, one call a line, oldest first: JSON with call, turns, transcript, restarts and events."""
        last = ""
        while True:
            found = await self._read(partial(queries.export_calls, after=last, limit=EXPORTED_AT_ONCE))
            for each in found:
                last = each["call"]["id"]
                yield json.dumps(each, ensure_ascii=False, separators=(",", ":"))
            if len(found) < EXPORTED_AT_ONCE:
                return

    # --- forgetting -------------------------------------------------------------------------------

    async def erase(self, call_id: str) -> bool:
        """Remove everything of a call from all tables; False when there was nothing. The call must be over."""
        return await self._do(lambda connection: erasure.erase_call(connection, call_id), after=erasure.overwrite)

    async def forget_old(self, now: datetime) -> int:
        """Remove what is older than ``store.retain_days``, and answers that have expired; how many calls it was."""
        days = self._settings.retain_days
        before = now - timedelta(days=days or 365_00)
        await self._do(lambda connection: erasure.erase_expired(connection, now.timestamp(), before.timestamp()))
        erased = 0
        while days:
            count = await self._do(
                lambda connection: erasure.erase_before(connection, rfc3339(before)), after=erasure.overwrite
            )
            erased += count
            if count < erasure.CHUNK:
                break
        return erased

    async def _forget_hourly(self) -> None:
        while True:
            try:
                erased = await self.forget_old(datetime.now(UTC))
            except StoreUnavailableError as error:
                _log.warning("old records could not be removed; the next try is in an hour", reason=error.detail)
            else:
                if erased:
                    _log.info("old calls are removed", calls=erased, retain_days=self._settings.retain_days)
            await asyncio.sleep(RETENTION_S)

    # --- commands ---------------------------------------------------------------------------------

    async def begin_command(self, scope: str, key: str, fingerprint: str) -> CommandState:
        """Take ``key`` for a request, or tell what became of the one that has it.

        Args:
            scope: where keys are apart, such as ``POST /v1/calls`` or a call's id.
            key: the client's.
            fingerprint: of the payload: the same for the same request.
        """
        return await self._do(lambda connection: commands.begin(connection, scope, key, fingerprint, time.time()))

    async def finish_command(self, scope: str, key: str, status: int, body: str) -> None:
        """Keep the answer to a request that was done, for a day."""
        await self._do(lambda connection: commands.finish(connection, scope, key, status, body, time.time()))

    async def forget_command(self, scope: str, key: str) -> None:
        """Give the key back: nothing was done."""
        await self._do(lambda connection: commands.forget(connection, scope, key))

    # --- webhooks ---------------------------------------------------------------------------------

    async def outbox_due(self, now: float, limit: int = 100, url: str | None = None) -> list[Delivery]:
        """Deliveries that may be tried at ``now`` (epoch seconds): of each call and webhook only the first pending."""
        return await self._read(lambda connection: outbox.due(connection, self._claim.host, now, limit, url))

    async def outbox_next_at(self, url: str | None = None) -> float | None:
        """When the next one may be tried, epoch seconds; None when none waits."""
        return await self._read(lambda connection: outbox.next_at(connection, self._claim.host, url))

    async def outbox_done(self, number: int) -> None:
        """It was delivered, and is removed."""
        await self._do(lambda connection: outbox.done(connection, number))

    async def outbox_retry(self, number: int, next_at: float, error: str) -> None:
        """An attempt has failed; the next may be made at ``next_at``, epoch seconds."""
        await self._do(lambda connection: outbox.retry(connection, number, next_at, error))

    async def outbox_give_up(self, number: int, error: str) -> None:
        """The last attempt has failed: what comes behind it may go."""
        await self._do(lambda connection: outbox.give_up(connection, number, error))

    async def outbox_hasten(self, url: str, now: float) -> None:
        """A webhook answers again: what waits for it is due at ``now``, epoch seconds."""
        await self._do(lambda connection: outbox.hasten(connection, self._claim.host, url, now))

    async def outbox_expire(self, url: str, created_before: float, kept_types: Sequence[str]) -> int:
        """Give up what is older than ``created_before``, epoch seconds, but for ``kept_types``; how many."""
        return await self._do(
            lambda connection: outbox.expire(connection, self._claim.host, url, created_before, kept_types)
        )

    async def outbox_abandon(self, kept_urls: Sequence[str]) -> int:
        """Give up what waits for webhooks that are configured no more; how many."""
        return await self._do(lambda connection: outbox.abandon(connection, self._claim.host, kept_urls))


def _prepare(engine: Engine) -> Claim:
    database.migrate(engine)
    with engine.connect() as connection:
        return claim_for(connection)


def _unavailable(fault: Fault | None) -> StoreUnavailableError:
    detail = "The database does not answer" if fault is None else f"{fault.detail}. {fault.remedy}"
    return StoreUnavailableError(f"{detail} Calls go on; their records wait.")
