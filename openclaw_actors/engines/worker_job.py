"""The jobs of a worker pool: one, those that wait, and how a fault comes back."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from typing import Any

from openclaw_actors.engines.worker_frames import MAX_FRAME
from openclaw_actors.engines.worker_process import WorkerProcess
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.observability import metrics

_FAULTS: dict[str, type[EngineError]] = {
    fault.kind: fault
    for fault in (
        TransientEngineError,
        BrokenEngineError,
        RefusedEngineError,
        SlowEngineError,
        UnavailableEngineError,
    )
}


def fault_of(kind: str, text: str) -> EngineError:
    """The error that a worker named by its kind; broken for a kind that errors.py does not have."""
    return _FAULTS.get(kind, BrokenEngineError)(text)


def closed(pool: str) -> UnavailableEngineError:
    """What the jobs of a pool hear when it is closed."""
    return UnavailableEngineError(f"{pool} was closed")


_BATCH_BYTES = MAX_FRAME // 2
"""Of payloads in one batch: 32 utterances of 30 s."""


class Job:
    """One piece of work. Its answers: (``chunk``, value) any times, then ``value`` or ``end``; or an EngineError.

    Args:
        body: the pickled payload.
        deadline_s: see WorkerPool.
        urgent: it goes before those that are not.
    """

    def __init__(self, body: bytes, deadline_s: float, *, urgent: bool) -> None:
        self.body = body
        self.deadline_s = deadline_s
        self.urgent = urgent
        self.expires_at = asyncio.get_running_loop().time() + deadline_s
        self.answers: asyncio.Queue[tuple[str, Any] | EngineError] = asyncio.Queue()
        self.attempts = 0
        self.chunks = 0
        self.alone = False
        """A process died while it had this job: if the job is to blame, it shall take no others along again."""
        self.abandoned = False
        """Nobody awaits it any more."""
        self.process: WorkerProcess | None = None
        """Where it runs now."""
        self.batch = 0
        """How many jobs run there together."""


_QUEUES: weakref.WeakSet[JobQueue] = weakref.WeakSet()
"""Of this process."""


def longest_wait() -> float:
    """How long the oldest urgent job of any pool has been waiting for a process, in seconds."""
    now = asyncio.get_running_loop().time()
    return max((queue.longest_wait(now) for queue in _QUEUES), default=0.0)


class JobQueue:
    """The jobs that wait: the urgent first, and then first come, first served; never more than ``limit``.

    Args:
        pool: the pool's name, for the metric and for errors.
        limit: jobs; one more is refused, or takes the place of the newest that is not urgent.
    """

    def __init__(self, pool: str, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._lanes: dict[bool, deque[Job]] = {True: deque(), False: deque()}
        self._news = asyncio.Event()
        self._depth = metrics.pool_queue_depth.labels(pool=pool)
        _QUEUES.add(self)
        for instrument in (metrics.pool_abandoned_total, metrics.pool_batch_jobs):
            instrument.labels(pool=pool)

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def longest_wait(self, now: float) -> float:
        """How long the oldest urgent job waits, in seconds of the loop's clock; 0 where none does."""
        lane = self._lanes[True]
        return now - (lane[0].expires_at - lane[0].deadline_s) if lane else 0.0

    def put(self, job: Job) -> None:
        """Append a job.

        Raises:
            TransientEngineError: the queue is full.
        """
        if len(self) >= self._limit:
            full = TransientEngineError(f"{self._pool}: {self._limit} jobs wait already")
            if not job.urgent or not self._lanes[False]:
                raise full
            self._lanes[False].pop().answers.put_nowait(full)
        self._lanes[job.urgent].append(job)
        self._changed()

    def put_back(self, job: Job) -> None:
        """Make a job that had begun the next one of its urgency, whatever the limit."""
        self._lanes[job.urgent].appendleft(job)
        self._changed()

    def drop(self, job: Job) -> None:
        """Forget a job if it waits."""
        if job in self._lanes[job.urgent]:
            self._lanes[job.urgent].remove(job)
            self._changed()

    async def take(self, process: WorkerProcess) -> list[Job]:
        """The next jobs, waiting for one: as many of one urgency as wait and the process takes at once.

        Raises:
            WorkerDiedError: the process has ended, or ends before there is a job.
        """
        while process.ended or not len(self):
            if process.ended:
                await process.receive()  # raises how it ended
            self._news.clear()
            await self._news.wait()
        lane = self._lanes[True] or self._lanes[False]
        batch = [lane.popleft()]
        size = len(batch[0].body)
        while lane and len(batch) < process.at_once and not batch[0].alone and not lane[0].alone:
            size += len(lane[0].body)
            if size > _BATCH_BYTES:
                break
            batch.append(lane.popleft())
        self._changed()
        return batch

    def wake(self) -> None:
        """A process has ended: whoever waits in ``take`` looks whether it is theirs."""
        self._news.set()

    def clear(self, error: EngineError) -> None:
        """Answer all with an error."""
        for lane in self._lanes.values():
            while lane:
                lane.popleft().answers.put_nowait(error)
        self._changed()

    def _changed(self) -> None:
        self._depth.set(len(self))
        self._news.set()
