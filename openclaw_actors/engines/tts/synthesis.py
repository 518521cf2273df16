"""From text to packets: the cache, else an engine, its silence trimmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from openclaw_actors.engines.protocols import OWN_VOICE, TtsEngine, Voice
from openclaw_actors.engines.tts.cache import PhraseCache, phrase_key
from openclaw_actors.engines.tts.rendering import Phrase, Rendering
from openclaw_actors.media.codecs import Codec, Encoded
from openclaw_actors.media.packets import encoded


class Synthesis:
    """Speaks phrases for all calls of one process; belongs to one event loop.

    Callers who ask for the same phrase at the same time share one request to the engine.

    Args:
        cache: where whole phrases are kept.
    """

    def __init__(self, cache: PhraseCache) -> None:
        self._cache = cache
        self._under_way: dict[str, Rendering] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def phrase(
        self,
        engine: TtsEngine,
        codec: Codec,
        text: str,
        *,
        voice: Voice = OWN_VOICE,
        shareable: bool = False,
        skip_s: float = 0.0,
    ) -> AsyncGenerator[Encoded, None]:
        """The sound of one phrase, trimmed at both ends, in pieces, the first as soon as there is a packet.

        Closing it stops the engine at once, unless another caller is listening to the same phrase; a phrase that was
        stopped or failed is not kept.

        Args:
            engine: who speaks.
            codec: what the packets are.
            text: the phrase; without a letter or digit it is no sound.
            voice: in whose voice.
            shareable: it holds nothing of the caller's, and may be kept on disk.
            skip_s: so much of the start was delivered before, and is left out. Cut between packets of one encode: where
                the voice differs a little from its last take, that splice is heard less than a fresh encoder's start
                (measured: largest step between samples 207, as in the whole phrase; with a fresh encoder 1,074).

        Raises:
            EngineError: the engine's, also in the middle.
        """
        if not any(map(str.isalnum, text)):
            return  # "...", a lone emoji: a service that answers it with no sound is not at fault
        key = phrase_key(engine.cache_key(voice), codec, text)
        skip = round(skip_s * codec.pcm_rate / codec.packet_samples)
        whole = await self._cache.get(key, shareable=shareable)
        if whole is not None:
            await encoded(whole.packets[:skip])
            if rest := whole.without_first(skip):
                yield rest
            return
        sound = self._rendering(key, engine, codec, Phrase(text, voice), shareable=shareable).listen()
        try:
            async for piece in sound:
                rest = piece.without_first(skip)
                left_out = len(piece.packets) - len(rest.packets)
                skip -= left_out
                await encoded(piece.packets[:left_out])  # else all of them would be at once, when the first is sent
                if rest:
                    yield rest
        finally:
            await sound.aclose()

    async def whole(
        self, engine: TtsEngine, codec: Codec, text: str, *, voice: Voice = OWN_VOICE, shareable: bool = False
    ) -> Encoded:
        """All of a phrase at once, and encoded: for a clip that is to be ready before it is needed.

        Raises:
            EngineError: the engine's.
        """
        sound = self.phrase(engine, codec, text, voice=voice, shareable=shareable)
        phrase = Encoded.joined([piece async for piece in sound])
        return replace(phrase, packets=await encoded(phrase.packets))

    async def aclose(self) -> None:
        """Stop what is under way, and wait until it has stopped."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._cache.aclose()

    def _rendering(self, key: str, engine: TtsEngine, codec: Codec, phrase: Phrase, *, shareable: bool) -> Rendering:
        known = self._under_way.get(key)
        if known is not None and known.joinable:
            return known

        def ended(rendering: Rendering, whole: Encoded | None) -> None:
            self._tasks.discard(rendering.task)
            if self._under_way.get(key) is rendering:
                del self._under_way[key]
            if whole:
                self._cache.put(key, whole, shareable=shareable)

        rendering = self._under_way[key] = Rendering(engine, codec, phrase, ended)
        self._tasks.add(rendering.task)
        return rendering
