"""Whisper on this machine, by faster-whisper: the best recogniser that needs no account."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.stt.pace import Pace
from openclaw_actors.engines.stt.whisper_job import Job, Recognised
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import SlowEngineError, TransientEngineError, UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import FasterWhisper

log = get_logger(__name__)

_WARM_S = 110.0
"""A large model from a cold disk."""

_DEADLINE_S = 10.0
"""Beside the utterance's own length. ``small`` takes 2 s an utterance on one core, and calls queue; what passes this
has hung. Whoever can't wait so long cancels earlier (supervision.stt_final_s)."""

_FIND_S = 20.0
"""Importing the libraries takes 1 to 3 s, looking into the cache nothing."""

_FETCH_S = 6 * 3600.0
"""A large model over a slow line; one that stands still is given up after a minute."""

_PATIENCE_S = 1.0
"""What a partial may take in all: later it tells nothing new."""

_MEASURE_S = 3.0
"""A usual utterance."""


class FasterWhisperEngine:
    """Implements SttEngine; ``progress`` as in catalogue.Fetching."""

    name = "faster-whisper"

    def __init__(self, settings: FasterWhisper) -> None:
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._pace = Pace()
        self._partials = 0
        self.progress: float | None = None

    @property
    def partial_every_s(self) -> float:
        """By what a recognition costs here, and by how many callers speak; 0 where it costs too much."""
        return self._pace.every_s

    async def open(self) -> None:
        """Find the model, or fetch it (``progress`` tells how far), and load it.

        Raises:
            UnavailableEngineError: it isn't here and can't be fetched, or can't be loaded; the text says what to do.
        """
        if self._pool is not None:
            await self._pool.start()
            return
        path = await self._locate()
        workers, threads = widths(os.cpu_count() or 1, gpu=self._settings.device != "cpu" and _gpu_seen())
        options = {
            "path": path,
            "device": self._settings.device,
            "compute_type": self._settings.compute_type,
            "cpu_threads": threads,
            "batch": self._settings.batch,
            "hotwords": self._settings.hotwords,
            "trim_context": self._settings.trim_context,
        }
        factory = "openclaw_actors.engines.stt.faster_whisper_worker:Recogniser"
        pool = WorkerPool(self.name, factory, options, workers=self._settings.workers or workers, warm_s=_WARM_S)
        try:
            await pool.start()
            await self._measure(pool)
        except BaseException:
            await pool.aclose()
            raise
        self._pool = pool

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        """Recognise one utterance in ``language``, else that of the settings, else the one that is spoken.

        What waits is recognised together; finals go first.

        Raises:
            TransientEngineError: a partial was asked for while others wait for finals, or it took too long.
            EngineError: as WorkerPool.run.
        """
        if self._pool is None:
            raise UnavailableEngineError(f"{self.name} is not open")
        job = Job(pcm, language or self._settings.language, final)
        recognised = await (self._final(self._pool, job) if final else self._partial(self._pool, job))
        self._pace.worked(recognised.batch_s, recognised.batch)
        return Transcript(recognised.text, recognised.language)

    async def _final(self, pool: WorkerPool, job: Job) -> Recognised:
        recognised: Recognised = await pool.run(job, deadline_s=_DEADLINE_S + len(job.pcm) / 2 / SAMPLE_RATE)
        return recognised

    async def _partial(self, pool: WorkerPool, job: Job) -> Recognised:
        busy = TransientEngineError(f"{self.name} is busy; finals come first")
        if self._partials >= self._pace.at_once:
            self._pace.crowded()
            raise busy
        clock = asyncio.get_running_loop().time
        began = clock()
        self._partials += 1
        try:
            async with asyncio.timeout(_PATIENCE_S):
                recognised: Recognised = await pool.run(job, deadline_s=_DEADLINE_S, urgent=False)
        except (TimeoutError, SlowEngineError, TransientEngineError) as error:
            self._pace.crowded()
            raise busy from error
        finally:
            self._partials -= 1
        self._pace.waited(clock() - began - recognised.batch_s, recognised.batch_s)
        return recognised

    async def aclose(self) -> None:
        """End the worker process."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def _measure(self, pool: WorkerPool) -> None:
        """What a recognition costs here, before the first caller asks."""
        job = Job(bytes(2 * round(_MEASURE_S * SAMPLE_RATE)), self._settings.language or "en")
        recognised: Recognised = await pool.run(job, deadline_s=_WARM_S)
        self._pace.worked(recognised.batch_s, recognised.batch)
        log.info(
            "whisper measured",
            model=self._settings.model,
            seconds=round(recognised.batch_s, 3),
            partial_every_s=round(self.partial_every_s, 2),
        )

    async def _locate(self) -> str:
        """The model's directory, fetched if need be."""
        model = self._settings.model
        if _is_directory(model):
            return model
        fetcher = WorkerPool("faster-whisper-fetch", "openclaw_actors.engines.stt.model_fetch_worker:Fetcher", {})
        try:
            await fetcher.start()
            repository, path = await self._find(fetcher)
            if path is None:
                await self._fetch(fetcher, repository)
                _, path = await self._find(fetcher)
        finally:
            self.progress = None
            await fetcher.aclose()
        if path is None:
            raise self._missing(repository, "the download left it incomplete")
        return path

    async def _find(self, fetcher: WorkerPool) -> tuple[str, str | None]:
        found: tuple[str, str | None] = await fetcher.run(("find", self._settings.model), deadline_s=_FIND_S)
        return found

    async def _fetch(self, fetcher: WorkerPool, repository: str) -> None:
        if not self._settings.download:
            raise self._missing(repository, "stt.faster_whisper.download is false")
        try:
            async with aclosing(fetcher.stream(("fetch", self._settings.model), deadline_s=_FETCH_S)) as parts:
                async for part in parts:
                    self.progress = part
        except (UnavailableEngineError, SlowEngineError) as error:
            raise self._missing(repository, str(error)) from error

    def _missing(self, repository: str, reason: str) -> UnavailableEngineError:
        return UnavailableEngineError(
            f"the model {self._settings.model!r} is not on this machine: {reason}. Where there is a network, run: "
            f"hf download {repository} - or copy a model's directory here and put its path in stt.faster_whisper.model"
        )


def widths(cores: int, *, gpu: bool) -> tuple[int, int]:
    """How many processes load the model, and native threads in each.

    One of a GPU: a second one adds no throughput there (larger batches do), and loads the model twice. On CPUs a
    process gains little beyond four threads; two cores are left to media and all else.
    """
    threads = max(1, min(4, cores - 1))
    return (1 if gpu else max(1, min(8, (cores - 2) // 4))), threads


def _gpu_seen() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as can be told without loading its libraries."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))  # the latter: in WSL


def _is_directory(path: str) -> bool:
    return Path(path).is_dir()
