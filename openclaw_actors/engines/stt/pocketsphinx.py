"""The embedded recogniser: English only, no download, no network. It serves until a better engine does.

Measured: 2-4 % word errors on flite's clean voice, 47 % on people reading telephone prompts.
"""

from __future__ import annotations

import os

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.messages import SAMPLE_RATE

_WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""A second of speech takes 0.16 s of one core; half of the cores are left to media. 103 MB each."""

_DEADLINE_S = 20.0
"""Beside the utterance's own length, before the worker is taken to hang. Decoding runs at 6 times real time on a free
core, but the worker gives way to media: on a busy machine killing it for being slow only makes all slower. The Stt
stage has its own, shorter patience."""


class PocketSphinxEngine:
    """Implements SttEngine. No partials: pieces of an utterance are recognised far worse than the whole."""

    name = "pocketsphinx"
    partial_every_s = 0.0

    def __init__(self) -> None:
        factory = "openclaw_actors.engines.stt.pocketsphinx_worker:Recogniser"
        self._pool = WorkerPool(self.name, factory, {}, workers=_WORKERS)

    async def open(self) -> None:
        """Start the worker processes; 0.6 s."""
        await self._pool.start()

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:  # noqa: ARG002
        """Recognise one utterance as English, whatever ``language`` says: there is no other model."""
        deadline_s = _DEADLINE_S + len(pcm) / 2 / SAMPLE_RATE
        return Transcript(await self._pool.run(pcm, deadline_s=deadline_s))

    async def aclose(self) -> None:
        """End the worker processes."""
        await self._pool.aclose()
