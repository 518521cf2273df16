"""The jobs of a worker pool: one, those that wait, and how a fault comes back."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

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


class Job:
    """One piece of work. Its answers: (``chunk``, value) any times, then ``value`` or ``end``; or an EngineError."""

    def __init__(self, frame: bytes, deadline_s: float) -> None:
        self.frame = frame
        self.deadline_s = deadline_s
        self.expires_at = asyncio.get_running_loop().time() + deadline_s
        self.answers: asyncio.Queue[tuple[str, Any] | EngineError] = asyncio.Queue()
        self.attempts = 0
        self.chunks = 0
        self.abandoned = False
        """Nobody awaits it any more."""
        self.process: WorkerProcess | None = None
        """Where it runs now."""


class JobQueue:
    """The jobs that wait, first come, first served; never more than ``limit``.

    Args:
        pool: the pool's name, for the metric and for errors.
        limit: jobs; one more is refused.
    """

    def __init__(self, pool: str, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._news = asyncio.Event()
        self._depth = metrics.pool_queue_depth.labels(pool=pool)

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job) -> None:
        """Append a job.

        Raises:
            TransientEngineError: the queue is full.
        """
        if len(self._jobs) >= self._limit:
            raise TransientEngineError(f"{self._pool}: {self._limit} jobs wait already")
        self._jobs.append(job)
        self._changed()

    def put_back(self, job: Job) -> None:
        """Make a job that had begun the next one, whatever the limit."""
        self._jobs.appendleft(job)
        self._changed()

    def drop(self, job: Job) -> None:
        """Forget a job if it waits."""
        if job in self._jobs:
            self._jobs.remove(job)
            self._changed()

    async def take(self, process: WorkerProcess) -> Job:
        """The next job, waiting for it.

        Raises:
            WorkerDiedError: the process has ended, or ends before there is a job.
        """
        while process.ended or not self._jobs:
            if process.ended:
                await process.receive()  # raises how it ended
            self._news.clear()
            await self._news.wait()
        job = self._jobs.popleft()
        self._changed()
        return job

    def wake(self) -> None:
        """A process has ended: whoever waits in ``take`` looks whether it is theirs."""
        self._news.set()

    def clear(self, error: EngineError) -> None:
        """Answer all with an error."""
        while self._jobs:
            self._jobs.popleft().answers.put_nowait(error)
        self._changed()

    def _changed(self) -> None:
        self._depth.set(len(self._jobs))
        self._news.set()
