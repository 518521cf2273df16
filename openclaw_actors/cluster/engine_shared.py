"""Engines of the cluster as a host has them: to its calls they are engines like any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from openclaw_actors.cluster.engine_pool import EnginePool
from openclaw_actors.engines.protocols import OWN_VOICE, Transcript, Voice
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE, WordTime

_DEADLINE_S = 20.0
"""Beside half the utterance's length; the longest that an engine of ours has for itself (pocketsphinx). A call's stages
are less patient (supervision.stt_final_s, first_audio_s)."""


class _SharedEngine:
    """What hearing and speaking have in common.

    Args:
        name: its id in the settings.
        pool: the actors.
    """

    def __init__(self, name: str, pool: EnginePool) -> None:
        self.name = name
        self._pool = pool

    @property
    def progress(self) -> float | None:
        """As catalogue.Fetching: what an actor fetches to its node."""
        return self._pool.progress

    async def open(self) -> None:
        """As Engine.open: find the actors, or make them; once one serves it is open.

        Raises:
            UnavailableEngineError: none can serve; the text says why.
        """
        await self._pool.open()

    async def aclose(self) -> None:
        """Let go of them. When no host has greeted them for a minute they end."""
        await self._pool.aclose()


class SharedStt(_SharedEngine):
    """An SttEngine."""

    @property
    def partial_every_s(self) -> float:
        """As the actors have it, which know what all hosts' callers ask of them."""
        return self._pool.partial_every_s

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        """As SttEngine.transcribe.

        Raises:
            EngineError: as EnginePool.ask.
        """
        deadline_s = _DEADLINE_S + len(pcm) / 2 / SAMPLE_RATE / 2
        heard: Transcript = await self._pool.ask("transcribe", pcm, language, final, deadline_s=deadline_s)
        return heard


class SharedTts(_SharedEngine):
    """A TtsEngine."""

    @property
    def sample_rate(self) -> int:
        """Hz, as the actors told; known for sure when it is open."""
        return self._pool.facts.sample_rate if self._pool.facts else 24_000

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key. An engine may know that two voices are one to it; here they are two."""
        if self._pool.facts is None:
            raise UnavailableEngineError(f"{self.name} is not open")
        wanted = f"{voice.name}/{voice.language}/{voice.rate:g}/{voice.pitch_hz}"
        return f"{self._pool.facts.cache_key}/{wanted}"

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes | WordTime, None]:
        """As TtsEngine.speak.

        Raises:
            EngineError: as EnginePool.stream.
        """
        async with aclosing(self._pool.stream("speak", text, voice, deadline_s=_DEADLINE_S)) as sound:
            async for piece in sound:
                yield piece
