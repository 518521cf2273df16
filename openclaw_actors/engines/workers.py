"""Pools of worker processes: native code that may hold the GIL, hang or crash runs beside the host, never in it.

Measured: pocketsphinx holds the GIL and stalls every call for 187 ms when it runs in a thread; a hung thread can't be
killed; a segmentation fault takes the process, and all calls with it. POSIX only (socketpair, signals).
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator
from typing import Any

from openclaw_actors.engines.worker_batch import Batch
from openclaw_actors.engines.worker_frames import MAX_PAYLOAD, pack
from openclaw_actors.engines.worker_job import Job, JobQueue, closed
from openclaw_actors.engines.worker_process import WorkerDiedError, WorkerProcess
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    SlowEngineError,
    UnavailableEngineError,
)
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

_BACKOFF_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the next process, by failures since the last answer: at once after one crash, and a process that
crashes on each start costs a few per cent of a core (its start takes about 0.15 s of CPU)."""


class WorkerPool:
    """Runs jobs in worker processes, in order, each process one job, or one batch, at a time.

    ``factory`` is imported and called with ``options`` in the worker; what it returns is called with each job's
    payload, and returns a value or is a generator of chunks. Payloads, options, values and chunks are pickled. An
    exception in the factory means "can't serve here"; one in a job is that job's answer: an EngineError of errors.py
    keeps its class, any other becomes a BrokenEngineError that names it. Output of the worker goes to the log.

    A worker that does several jobs faster together than one by one says so by an attribute ``at_once``: of the jobs
    that wait it is given up to so many of one urgency, as ``together(payloads)``, and returns their values (no
    generators) in order. Nobody waits for a batch to fill. If ``together`` raises, each job is done by itself, and so
    are, one after another, those whose process died: what is wrong with one job costs the others only time.

    A job's deadline counts from ``run`` or ``stream``, waiting included. A process that works on one job for longer
    than that job's deadline is killed and replaced. (Counted from the job's start, so that a long queue, which is no
    fault of the process, does not get it killed.) When a process dies, the other jobs that it was working on are
    given to the next process, once, if none of their chunks were handed out; jobs that wait go on waiting.

    Args:
        name: the pool's name in metrics and logs.
        factory: ``package.module:function``.
        options: keyword arguments for the factory.
        queue: jobs that may wait; one more is refused.
        workers: processes.
        warm_s: seconds that a process has from its start until the factory has returned.
        native_threads: threads for OpenMP and BLAS in the worker, unless the environment sets OMP_NUM_THREADS and such.
        nice: added to the worker's niceness, so that media keeps its pace on a full machine.
    """

    def __init__(
        self,
        name: str,
        factory: str,
        options: dict[str, Any],
        *,
        queue: int = 64,
        workers: int = 1,
        warm_s: float = 60.0,
        native_threads: int = 1,
        nice: int = 5,
    ) -> None:
        self.name = name
        self._hello = (factory, options, nice)
        self._workers = workers
        self._warm_s = warm_s
        self._native_threads = native_threads
        self._waiting = JobQueue(name, queue)
        self._starting = asyncio.Lock()
        self._slots: set[asyncio.Task[None]] = set()
        self._processes: set[WorkerProcess] = set()
        self._trouble = ""

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are warm now."""
        return tuple(process.pid for process in self._processes if not process.ended)

    @property
    def waiting(self) -> int:
        """Jobs that no worker has begun."""
        return len(self._waiting)

    async def start(self) -> None:
        """Spawn the workers and wait until all are warm. For a pool that has started, tell whether a worker lives.

        May be called again after a failure and after ``aclose``. Cancelling it leaves nothing behind.

        Raises:
            UnavailableEngineError: one did not become warm, or none lives: the factory's reason, or how it ended.
        """
        async with self._starting:
            if self._slots:
                if not self.pids:
                    raise UnavailableEngineError(f"{self.name}: {self._trouble or 'its worker is being replaced'}")
                return
            for process in await self._spawn_all():
                slot = asyncio.create_task(self._serve(process), name=f"worker pool {self.name}")
                self._slots.add(slot)
                slot.add_done_callback(self._slot_ended)

    async def run(self, payload: Any, *, deadline_s: float, urgent: bool = True) -> Any:
        """Do one job. The value that the worker returns; all chunks as a list if it is a generator.

        Cancelling drops the job if it waits still; if it runs, its answer is ignored. What is not ``urgent`` waits for
        all that is, and gives its place in a full queue to it.

        Raises:
            TransientEngineError: the queue is full.
            SlowEngineError: the deadline passed.
            BrokenEngineError: the job raised something that is no EngineError, or two processes died of it.
            UnavailableEngineError: the pool isn't started, is closed, or has no process and can't start one.
            EngineError: the one that the job raised.
        """
        job = self._submit(payload, deadline_s, urgent=urgent)
        chunks: list[Any] = []
        try:
            while True:
                kind, value = await self._answer(job)
                if kind == "value":
                    return value
                if kind == "end":
                    return chunks
                chunks.append(value)
        finally:
            self._abandon(job)

    async def stream(self, payload: Any, *, deadline_s: float) -> AsyncGenerator[Any, None]:
        """Do one job and yield its chunks as they come; a plain value is one chunk. The deadline is for the last one.

        Close the iterator (``contextlib.aclosing``) to stop the worker after its current chunk.

        Raises:
            TransientEngineError: the queue is full, or the process died after some chunks were yielded.
            EngineError: as ``run``.
        """
        job = self._submit(payload, deadline_s, urgent=True)
        try:
            while True:
                kind, value = await self._answer(job)
                if kind == "end":
                    return
                yield value
                if kind == "value":
                    return
        finally:
            self._abandon(job)

    async def aclose(self) -> None:
        """Kill the workers; what waits or runs gets an UnavailableEngineError. May be called more than once."""
        slots = set(self._slots)
        for slot in slots:
            slot.cancel()
        if slots:
            await asyncio.wait(slots)
        for process in set(self._processes):  # of a slot that was cancelled before it ran
            await self._bury(process)
        self._waiting.clear(closed(self.name))

    # --- The side of those who ask ----------------------------------------------------------------------------

    def _submit(self, payload: Any, deadline_s: float, *, urgent: bool) -> Job:
        if not self._slots:
            raise UnavailableEngineError(f"{self.name} is not running")
        body = pickle.dumps(payload, protocol=pickle.HIGHEST_PROTOCOL)
        if len(body) > MAX_PAYLOAD:
            raise BrokenEngineError(f"{self.name}: {len(body)} bytes are more than one frame holds")
        job = Job(body, deadline_s, urgent=urgent)
        self._waiting.put(job)
        return job

    async def _answer(self, job: Job) -> tuple[str, Any]:
        try:
            async with asyncio.timeout_at(job.expires_at):
                answer = await job.answers.get()
        except TimeoutError:
            raise self._late(job) from None
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def _late(self, job: Job) -> EngineError:
        if not self.pids and self._trouble:
            return UnavailableEngineError(f"{self.name}: {self._trouble}")
        where = "in the worker" if job.process else "in the queue"
        return SlowEngineError(f"{self.name}: no answer after {job.deadline_s:g} s, {where}")

    def _abandon(self, job: Job) -> None:
        job.abandoned = True
        self._waiting.drop(job)
        if job.process is not None and job.batch == 1:
            job.process.send(pack("cancel", None))

    # --- The side of the processes ----------------------------------------------------------------------------

    async def _spawn(self) -> WorkerProcess:
        process = await WorkerProcess.spawn(
            self.name,
            self._hello,
            native_threads=self._native_threads,
            warm_s=self._warm_s,
            on_end=self._waiting.wake,
        )
        self._processes.add(process)
        return process

    async def _spawn_all(self) -> list[WorkerProcess]:
        attempts = [asyncio.create_task(self._spawn()) for _ in range(self._workers)]
        try:
            done, _ = await asyncio.wait(attempts, return_when=asyncio.FIRST_EXCEPTION)
            return [attempt.result() for attempt in done]
        except BaseException:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
            for process in set(self._processes):
                await self._bury(process)
            raise

    async def _bury(self, process: WorkerProcess) -> None:
        self._processes.discard(process)
        await process.aclose()

    async def _serve(self, first: WorkerProcess) -> None:
        """Keep one process alive and give it jobs, until cancelled."""
        process: WorkerProcess | None = first
        failures = 0
        try:
            while True:
                try:
                    if process is None:
                        await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1])
                        process = await self._spawn()
                        self._trouble = ""
                    while True:
                        jobs = await self._waiting.take(process)
                        await Batch(self.name, jobs, self._waiting).run(process)
                        failures = 0
                except (WorkerDiedError, UnavailableEngineError) as trouble:
                    failures += 1
                    self._trouble = str(trouble)
                    log.warning("worker lost", pool=self.name, reason=str(trouble), failures=failures)
                    if process is not None:
                        await self._bury(process)
                        process = None
        finally:
            if process is not None:
                await self._bury(process)

    def _slot_ended(self, slot: asyncio.Task[None]) -> None:
        self._slots.discard(slot)
        if not slot.cancelled() and slot.exception() is not None:
            log.error("worker pool failed", pool=self.name, exc_info=slot.exception())
