"""The jobs that one worker process does together: their answers, their deadlines, and their fate if it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from openclaw_actors.engines.worker_frames import pack
from openclaw_actors.engines.worker_job import Job, JobQueue, closed, fault_of
from openclaw_actors.engines.worker_process import WorkerDiedError, WorkerProcess
from openclaw_actors.errors import BrokenEngineError, SlowEngineError, TransientEngineError
from openclaw_actors.observability import metrics

_ATTEMPTS = 2
"""A job that two processes died of is to blame itself."""


class Batch:
    """One job, or several that were taken together.

    Args:
        pool: the pool's name, for metrics and errors.
        jobs: as JobQueue.take gave them.
        waiting: where those go back to that the process could not finish.
    """

    def __init__(self, pool: str, jobs: Sequence[Job], waiting: JobQueue) -> None:
        self._pool = pool
        self._jobs = jobs
        self._unanswered = dict(enumerate(jobs))
        self._waiting = waiting

    async def run(self, process: WorkerProcess) -> None:
        """Have it done.

        Raises:
            WorkerDiedError: the process can't be used any more.
        """
        began = asyncio.get_running_loop().time()
        metrics.pool_batch_jobs.labels(pool=self._pool).observe(len(self._jobs))
        for job in self._jobs:
            job.attempts += 1
            job.process, job.batch = process, len(self._jobs)
        process.send(pack("jobs", [job.body for job in self._jobs]))
        try:
            while self._unanswered:
                async with asyncio.timeout_at(began + self._shortest_deadline_s()):
                    await self._relay(process)
        except TimeoutError:
            raise self._hung() from None
        except WorkerDiedError as death:
            self._died([*self._unanswered.values()], death)
            raise
        except asyncio.CancelledError:
            for job in self._unanswered.values():
                job.answers.put_nowait(closed(self._pool))
            raise
        finally:
            for job in self._jobs:
                job.process = None

    def _shortest_deadline_s(self) -> float:
        return min(job.deadline_s for job in self._unanswered.values())

    async def _relay(self, process: WorkerProcess) -> None:
        """Hand on one frame."""
        kind, (place, value) = await process.receive()
        job = self._unanswered.get(place)
        if job is None:
            raise WorkerDiedError(f"the worker process answered a job that it does not have, {place}")
        if kind == "chunk":
            job.chunks += 1
        else:
            del self._unanswered[place]
        job.answers.put_nowait(fault_of(*value) if kind == "error" else (kind, value))

    def _hung(self) -> WorkerDiedError:
        """The first deadline has passed: its job has failed, and the process with it."""
        metrics.pool_abandoned_total.labels(pool=self._pool).inc()
        shortest = self._shortest_deadline_s()
        death = WorkerDiedError(f"killed: one job took more than {shortest:g} s")
        for job in self._unanswered.values():
            if job.deadline_s == shortest:
                job.answers.put_nowait(SlowEngineError(f"{self._pool}: no answer after {shortest:g} s"))
        self._died([job for job in self._unanswered.values() if job.deadline_s > shortest], death)
        return death

    def _died(self, jobs: Sequence[Job], death: WorkerDiedError) -> None:
        for job in reversed(jobs):  # each goes before all that wait, so the first goes last
            if job.abandoned:
                continue
            job.alone = True
            if job.chunks:
                job.answers.put_nowait(TransientEngineError(f"{self._pool}: {death} in the middle of an answer"))
            elif job.attempts >= _ATTEMPTS:
                died = f"{self._pool}: {job.attempts} processes died of it: {death}"
                job.answers.put_nowait(BrokenEngineError(died))
            else:
                self._waiting.put_back(job)
