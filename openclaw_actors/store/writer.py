"""The one thread that writes: commits what has come together, keeps what can't be written yet, and says so loudly."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.store.claims import Claim
from openclaw_actors.store.faults import Fault, diagnose

_log = get_logger(__name__)

LINGER_S = 0.005
"""How long the first of a batch waits for company: a synced commit costs about as much, and nobody hears 5 ms."""
BATCH = 500
"""Entries in one transaction at most, so that a backlog does not hold the lock for more than a fraction of a second."""
PAUSES_S = (0.05, 0.2, 0.5, 1.0)
"""Between attempts while the database refuses; the last one for as long as it does."""
REMIND_S = 30.0
"""How often the log repeats that records are not written."""


@dataclass(slots=True)
class Work:
    """Something to do in a transaction.

    Args:
        apply: does it; what it returns is the result. It may run again when the commit failed.
        done: told on the loop: the result, or None and why there is none.
        after: done behind the commit and outside of any transaction; it may fail.
    """

    apply: Callable[[Connection], Any]
    done: Callable[[Any, Fault | None], None] | None = None
    after: Callable[[Connection], None] | None = None
    dropped: bool = False
    """Nobody wants it any more: it is left out of the next attempt."""
    result: Any = None


class Writer:
    """A bounded queue and its thread.

    Args:
        engine: of transactions that write; the thread keeps one connection of it.
        claim: held on that connection.
        limit: how much may wait.
        loop: where ``done`` is called.
    """

    def __init__(self, engine: Engine, claim: Claim, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self.fault: Fault | None = None
        """Why nothing is written now; None while all is well."""
        self._engine = engine
        self._claim = claim
        self._limit = limit
        self._loop = loop
        self._queue: deque[Work] = deque()
        self._in_hand = 0
        self._changed = threading.Condition()
        self._closing_at = float("inf")
        self._connection: Connection | None = None
        self._failing_since = 0.0
        self._reminded_at = float("-inf")
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How much is not written yet."""
        return len(self._queue) + self._in_hand

    def submit(self, work: Work) -> bool:
        """Take the work; False when the queue is full or closed. Never blocks; any thread."""
        with self._changed:
            if self.waiting >= self._limit or self._closing_at != float("inf"):
                return False
            self._queue.append(work)
            self._changed.notify()
        metrics.store_queue_depth.set(self.waiting)
        return True

    def lose(self) -> None:
        """Tell that an entry was not taken."""
        metrics.store_failures_total.labels(reason="queue_full").inc()
        self._lost += 1
        if self._lost == 1:
            fault = Fault("queue_full", f"{self._limit} entries wait", passing=True)
            _log.error("a record is lost, more may be", detail=fault.detail, remedy=fault.remedy)

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most ``timeout_s``, and end. Blocks."""
        with self._changed:
            self._closing_at = time.monotonic() + timeout_s
            self._changed.notify()
        self._thread.join()

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while batch := self._gather():
            self._write(batch)
        self._disconnect()

    def _gather(self) -> list[Work]:
        """What is next, waiting for it; empty when the writer is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing_at != float("inf"))
            self._changed.wait_for(
                lambda: len(self._queue) >= BATCH or self._closing_at != float("inf"), timeout=LINGER_S
            )
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._in_hand = len(batch)
            return batch

    def _write(self, batch: list[Work]) -> None:
        attempt = 0
        while batch := self._wanted(batch):
            if self.fault is not None and time.monotonic() >= self._closing_at:
                self._finish(batch, self.fault)
                return
            began = time.perf_counter()
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live and tell
                fault = diagnose(error)
            else:
                metrics.store_write_seconds.observe(time.perf_counter() - began)
                self._recovered()
                self._finish(batch, None)
                return
            metrics.store_failures_total.labels(reason=fault.reason).inc()
            if not fault.passing:
                self._one_by_one(batch, fault)
                return
            self._failing(fault, len(batch))
            if not self._pause(PAUSES_S[min(attempt, len(PAUSES_S) - 1)]):
                self._finish(batch, fault)
                return
            attempt += 1

    def _commit(self, batch: list[Work]) -> None:
        connection = self._connect()
        try:
            with connection.begin():
                for work in batch:
                    # Beginning may have waited for a lock, and whoever asked may have gone meanwhile.
                    if not work.dropped:
                        work.result = work.apply(connection)
        except Exception as error:
            if diagnose(error).passing:
                self._disconnect()
            raise
        for work in batch:
            if work.after is not None:
                with contextlib.suppress(Exception):
                    work.after(connection)

    def _one_by_one(self, batch: list[Work], fault: Fault) -> None:
        """One of the batch can't be written as it is; the others must not be lost with it."""
        if len(batch) > 1:
            for work in batch:
                self._write([work])
            return
        _log.error("a record is refused", detail=fault.detail, remedy=fault.remedy)
        self._finish(batch, fault)

    def _connect(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect()
            try:
                with connection.begin():
                    self._claim.take(connection)
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.invalidate()
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; False when there is no time for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing_at != float("inf"), timeout=seconds)
            left = self._closing_at - time.monotonic()
        if 0 < left < float("inf"):
            time.sleep(min(left, PAUSES_S[0]))
        return left > 0

    def _failing(self, fault: Fault, entries: int) -> None:
        now = time.monotonic()
        if self.fault is None:
            self._failing_since = now
        self.fault = fault
        if now - self._reminded_at < REMIND_S:
            return
        self._reminded_at = now
        _log.error(
            "records can't be written, calls go on without",
            reason=fault.reason,
            detail=fault.detail,
            remedy=fault.remedy,
            waiting=max(self.waiting, entries),
            bound=self._limit,
        )

    def _recovered(self) -> None:
        if self.fault is None:
            self._lost = 0 if not self._queue else self._lost
            return
        seconds = round(time.monotonic() - self._failing_since, 1)
        _log.warning("records are written again", after_s=seconds, lost=self._lost)
        self.fault, self._lost, self._reminded_at = None, 0, float("-inf")

    def _wanted(self, batch: list[Work]) -> list[Work]:
        wanted = [work for work in batch if not work.dropped]
        self._let_go(len(batch) - len(wanted))
        return wanted

    def _let_go(self, count: int) -> None:
        with self._changed:
            self._in_hand -= count
        metrics.store_queue_depth.set(self.waiting)

    def _finish(self, batch: list[Work], fault: Fault | None) -> None:
        self._let_go(len(batch))
        told = [work for work in batch if work.done is not None]
        if told:
            # The loop may be closed already when a process ends in a hurry; then nobody is left to be told.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_tell, told, fault)


def _tell(batch: list[Work], fault: Fault | None) -> None:
    for work in batch:
        if work.done is not None:
            work.done(work.result, fault)
