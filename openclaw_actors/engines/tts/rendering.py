"""One phrase on its way from an engine's sound to packets, heard by everyone who asked for it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

from openclaw_actors.engines.protocols import TtsEngine, Voice
from openclaw_actors.errors import BrokenEngineError, EngineError
from openclaw_actors.media.codecs import SLICE_S, Codec, Encoded, PhraseEncoder
from openclaw_actors.media.trim import LeadingTrim, TrailingTrim
from openclaw_actors.messages import WordTime
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import outside

_JOINABLE_S = 1.0
"""One that has been silent for longer is not joined: a request that hangs must not take more calls with it."""


class _Road:
    """Trim the end and cut into packets."""

    def __init__(self, codec: Codec, sample_rate: int) -> None:
        self._trailing = TrailingTrim(sample_rate)
        self._encoder = PhraseEncoder(codec, sample_rate)

    def push(self, pcm: bytes) -> Encoded:
        return self._encoder.encode(self._trailing.push(pcm))

    def flush(self) -> Encoded:
        return self._encoder.encode(self._trailing.flush()) + self._encoder.flush()


@dataclass(frozen=True, slots=True)
class Phrase:
    """What is to be spoken, and in whose voice."""

    text: str
    voice: Voice


class Rendering:
    """Runs from its creation until it is complete or its last listener leaves.

    Args:
        engine: who speaks.
        codec: what the packets are.
        phrase: the text and its voice.
        on_end: told once: the whole phrase, or None if it failed or was abandoned.
    """

    def __init__(
        self,
        engine: TtsEngine,
        codec: Codec,
        phrase: Phrase,
        on_end: Callable[[Rendering, Encoded | None], None],
    ) -> None:
        self._engine = engine
        self._phrase = phrase
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._leading = LeadingTrim(engine.sample_rate)
        self._road = _Road(codec, engine.sample_rate)
        self._slice_bytes = round(SLICE_S * engine.sample_rate) * 2
        self._pcm = bytearray()
        self._words: list[WordTime] = []
        self._pcm_ends = False
        self._more_pcm = asyncio.Event()
        self._chunks: list[Encoded] = []
        self._news = asyncio.Event()
        self._listeners = 0
        self._over = False
        self._abandoned = False
        context = outside()
        self._reader = asyncio.create_task(self._read(), name=f"sound of {engine.name}", context=context)
        self.task = asyncio.create_task(self._render(), name=f"speech by {engine.name}", context=context)
        self.task.add_done_callback(self._ended)

    @property
    def joinable(self) -> bool:
        """Whether another may listen to it too."""
        if self._over or self._abandoned:
            return False
        return bool(self._chunks) or self._loop.time() - self._began < _JOINABLE_S

    async def listen(self) -> AsyncGenerator[Encoded, None]:
        """All of the phrase from its start, as it is made. When the last listener is closed the engine stops.

        Raises:
            EngineError: the engine's.
        """
        self._listeners += 1
        at = 0
        try:
            while True:
                while at < len(self._chunks):
                    at += 1
                    yield self._chunks[at - 1]
                if self._over:
                    self._raise_fault()
                    return
                self._news.clear()
                await self._news.wait()
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._abandoned = True
                self.task.cancel()

    def _raise_fault(self) -> None:
        if self.task.cancelled():
            raise BrokenEngineError(f"{self._engine.name} was stopped")
        if (error := self.task.exception()) is not None:
            kind = type(error) if isinstance(error, EngineError) else BrokenEngineError
            text = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
            raise kind(text) from error  # one of its own for each listener: a raise writes into the exception

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Not `task.done()`: that is true a moment before this runs, and who then asked again would find no cache.
        self._over = True
        self._reader.cancel()  # where it was cancelled before it began
        whole = not task.cancelled() and task.exception() is None
        self._on_end(self, Encoded.joined(self._chunks) if whole else None)
        self._news.set()

    async def _render(self) -> None:
        try:
            while pcm := await self._next_slice():
                self._publish(self._road.push(pcm))
                await asyncio.sleep(0)  # what is there is heard before more is made
            await self._reader  # raises what the engine did
            self._publish(self._road.flush(), last=True)
        finally:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        meter, asked_at = meter_of("tts", self._engine.name), self._loop.time()
        meter.characters.inc(len(self._phrase.text))
        made = 0
        try:
            sound = self._engine.speak(self._phrase.text, self._phrase.voice)
            async with contextlib.aclosing(sound):  # type: ignore[type-var]  # an async generator in all engines
                async for piece in sound:
                    if isinstance(piece, WordTime):
                        self._words.append(piece)
                        continue
                    if not made:
                        meter.latency.observe(self._loop.time() - asked_at)
                    made += len(piece)
                    self._hear(self._leading.push(piece))
            self._hear(self._leading.flush())
        finally:
            meter.audio.inc(made / 2 / self._engine.sample_rate)
            self._pcm_ends = True
            self._more_pcm.set()

    def _hear(self, pcm: bytes) -> None:
        if pcm:
            self._pcm += pcm
            self._more_pcm.set()

    async def _next_slice(self) -> bytes:
        """What the engine has made, not too much at once; empty at the end."""
        while not self._pcm and not self._pcm_ends:
            self._more_pcm.clear()
            await self._more_pcm.wait()
        pcm = bytes(self._pcm[: self._slice_bytes])
        del self._pcm[: self._slice_bytes]
        return pcm

    def _publish(self, encoded: Encoded, *, last: bool = False) -> None:
        if encoded or (last and self._words and self._chunks):
            dropped = self._leading.dropped_s
            words = tuple(WordTime(max(0.0, word.at - dropped), word.chars) for word in self._words)
            self._words.clear()
            self._chunks.append(replace(encoded, words=words))
            self._news.set()
