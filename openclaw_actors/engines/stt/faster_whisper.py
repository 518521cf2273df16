"""Whisper on this machine, by faster-whisper: the best recogniser that needs no account."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.stt.whisper_job import Job
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

_PARTIALS = ((0.05, 0.5), (0.1, 1.0))
"""Seconds that one recognition takes, and how often partials may then be asked for: at most a tenth of the worker for
each caller that speaks."""


class FasterWhisperEngine:
    """Implements SttEngine; ``progress`` as in catalogue.Fetching."""

    name = "faster-whisper"

    def __init__(self, settings: FasterWhisper) -> None:
        self._settings = settings
        self._pool: WorkerPool | None = None
        self.partial_every_s = 0.0
        self.progress: float | None = None

    async def open(self) -> None:
        """Find the model, or fetch it (``progress`` tells how far), and load it.

        Raises:
            UnavailableEngineError: it isn't here and can't be fetched, or can't be loaded; the text says what to do.
        """
        if self._pool is not None:
            await self._pool.start()
            return
        path = await self._locate()
        options = {
            "path": path,
            "device": self._settings.device,
            "compute_type": self._settings.compute_type,
            # One core is left to media.
            "cpu_threads": max(1, min(4, (os.cpu_count() or 1) - 1)),
            "trim_context": self._settings.trim_context,
        }
        factory = "openclaw_actors.engines.stt.faster_whisper_worker:Recogniser"
        pool = WorkerPool(self.name, factory, options, warm_s=_WARM_S)
        try:
            await pool.start()
            await self._measure(pool)
        except BaseException:
            await pool.aclose()
            raise
        self._pool = pool

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        """Recognise one utterance in ``language``, else that of the settings, else the one that is spoken.

        Raises:
            TransientEngineError: a partial was asked for while others wait for finals.
            EngineError: as WorkerPool.run.
        """
        if self._pool is None:
            raise UnavailableEngineError(f"{self.name} is not open")
        if not final and self._pool.waiting:
            raise TransientEngineError(f"{self.name} is busy; finals come first")
        job = Job(pcm, language or self._settings.language)
        try:
            text, spoken = await self._pool.run(job, deadline_s=_DEADLINE_S + len(pcm) / 2 / SAMPLE_RATE)
        except SlowEngineError as error:
            if final:
                raise
            raise TransientEngineError(str(error)) from error
        return Transcript(text, spoken)

    async def aclose(self) -> None:
        """End the worker process."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def _measure(self, pool: WorkerPool) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        language = self._settings.language or "en"
        await pool.run(Job(bytes(2 * 2 * SAMPLE_RATE), language), deadline_s=_WARM_S)
        takes_s = clock() - began
        self.partial_every_s = next((every for limit, every in _PARTIALS if takes_s <= limit), 0.0)
        log.info("whisper measured", model=self._settings.model, seconds=round(takes_s, 3))

    async def _locate(self) -> str:
        """The model's directory, fetched if need be."""
        model = self._settings.model
        if _is_directory(model):
            return model
        fetcher = WorkerPool("faster-whisper-fetch", "openclaw_actors.engines.stt.model_fetch_worker:Fetcher", {})
        try:
            await fetcher.start()
            path = await self._find(fetcher)
            if path is None:
                await self._fetch(fetcher)
                path = await self._find(fetcher)
        finally:
            self.progress = None
            await fetcher.aclose()
        if path is None:
            raise self._missing("the download left it incomplete")
        return path

    async def _find(self, fetcher: WorkerPool) -> str | None:
        path: str | None = await fetcher.run(("find", self._settings.model), deadline_s=_FIND_S)
        return path

    async def _fetch(self, fetcher: WorkerPool) -> None:
        if not self._settings.download:
            raise self._missing("stt.faster_whisper.download is false")
        try:
            async with aclosing(fetcher.stream(("fetch", self._settings.model), deadline_s=_FETCH_S)) as parts:
                async for part in parts:
                    self.progress = part
        except (UnavailableEngineError, SlowEngineError) as error:
            raise self._missing(str(error)) from error

    def _missing(self, reason: str) -> UnavailableEngineError:
        model = self._settings.model
        repository = model if "/" in model else f"Systran/faster-whisper-{model}"
        return UnavailableEngineError(
            f"the model {model!r} is not on this machine: {reason}. Where there is a network, run: "
            f"hf download {repository} - or copy a model's directory here and put its path in stt.faster_whisper.model"
        )


def _is_directory(path: str) -> bool:
    return Path(path).is_dir()
