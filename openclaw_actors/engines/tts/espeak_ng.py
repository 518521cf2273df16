"""The embedded voice: espeak-ng in a worker process. No network, no model, 5 ms for a second of speech."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from importlib.metadata import version

from openclaw_actors.engines.protocols import OWN_VOICE, Voice
from openclaw_actors.engines.tts.espeak_library import SAMPLE_RATE, Order
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.messages import WordTime
from openclaw_actors.settings.sections import EspeakNg

_DEADLINE_S = 10.0
"""For a whole phrase, which takes some 30 ms: past it the process hangs and is replaced."""


class EspeakNgEngine:
    """A TtsEngine. One process serves all calls: it speaks 200 times faster than one listens.

    Args:
        settings: voice and speed.
    """

    name = "espeak-ng"
    sample_rate = SAMPLE_RATE

    def __init__(self, settings: EspeakNg) -> None:
        self._settings = settings
        self._version = version("espeakng-loader")
        self._pool = WorkerPool(
            self.name,
            "openclaw_actors.engines.tts.espeak_library:EspeakLibrary",
            {"voice": settings.voice, "speed": settings.speed},
        )

    async def open(self) -> None:
        """Start the process.

        Raises:
            UnavailableEngineError: there is no such voice, or no library; the text says which.
        """
        await self._pool.start()

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key."""
        settings = self._settings
        return f"{self.name}/{self._version}/{settings.voice}/{settings.speed}/{self._order(voice)}"

    def _order(self, voice: Voice) -> Order:
        """Its own voice has a language, which that of the call must not change without need."""
        language = voice.language.lower()
        primary = language.partition("-")[0]
        if self._settings.voice.partition("-")[0].partition("+")[0] == primary:
            language = primary = ""
        return Order(tuple(filter(None, (voice.name, language, primary))), voice.rate)

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes | WordTime, None]:
        """As TtsEngine.speak."""
        job = (text, self._order(voice))
        async with contextlib.aclosing(self._pool.stream(job, deadline_s=_DEADLINE_S)) as sound:
            async for chunk in sound:
                yield chunk

    async def aclose(self) -> None:
        """End the process."""
        await self._pool.aclose()
