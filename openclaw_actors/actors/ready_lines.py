"""ReadyLines: what a host says and plays by itself, made before anybody calls.

Some of it must not wait for an engine (a greeting, a filler), and some must need none: the apology of a call that can't
be served any more, the music of a hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor

from openclaw_actors.actors.profiles import complete, own_voice
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.engines.protocols import OWN_VOICE, TtsEngine, Voice
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import EngineError
from openclaw_actors.media.codecs import OPUS, PCMU, Codec, Encoded
from openclaw_actors.media.hold_music import HOLD_SOUNDS, HoldSound, hold_packets
from openclaw_actors.messages import NO_PROFILE, CallProfile
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings import Settings

_log = get_logger(__name__)

APOLOGY = "Sorry, something went wrong on our side. Please call again."
LINE_S = 10.0
"""For a line that is rendered in advance, 1 s by edge-tts: one that hangs must not cost calls their apology."""

LINE_AGAIN_S = 30.0
"""Before the apology is tried again where no voice could be had."""


class ReadyLines:
    """One host's.

    Args:
        settings: all settings.
        catalogue: whose voices speak them.
        synthesis: where they are kept.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, synthesis: Synthesis) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._synthesis = synthesis
        self.apologies: dict[str, tuple[bytes, ...]] = {}
        """The last words of a call that can't be served any more, as packets, by codec name."""
        self.hold_sounds: dict[tuple[str, HoldSound], tuple[bytes, ...]] = {}

    async def make_apology(self, codec: Codec) -> None:
        """Return when there is one, however long no voice serves."""
        while (apology := await self.render(codec, APOLOGY)) is None:  # noqa: ASYNC110 - no event says when
            await asyncio.sleep(LINE_AGAIN_S)
        self.apologies[codec.name] = tuple(apology.packets)

    async def fill_cache(self, codec: Codec) -> None:
        """Have each agent's greeting, fillers and the like in the cache, by the voice that will say them."""
        for text, voice in self._said_often():
            await self.render(codec, text, voice)

    async def render(self, codec: Codec, text: str, voice: Voice = OWN_VOICE) -> Encoded | None:
        """The line by the first engine that speaks it in time; None if none does."""
        try:
            engine: TtsEngine | None = self._catalogue.serving("tts")
        except EngineError as error:
            _log.warning("a line could not be rendered in advance", text=text, reason=str(error))
            return None
        while engine is not None:
            try:
                async with asyncio.timeout(LINE_S):
                    return await self._synthesis.whole(engine, codec, text, voice=voice, shareable=True)
            except (EngineError, TimeoutError) as error:
                _log.warning(
                    "a line could not be rendered in advance", text=text, engine=engine.name, reason=repr(error)
                )
            engine = self._catalogue.after("tts", engine.name)
        return None

    def _said_often(self) -> Iterator[tuple[str, Voice]]:
        agent = self._settings.agent
        yield APOLOGY, OWN_VOICE
        for profile in (NO_PROFILE, *(CallProfile(agent=own.agent) for own in agent.profiles)):
            voice, greeting = own_voice(own := complete(profile, agent)), own.greeting
            first = agent.greeting if greeting is None else greeting
            notice = self._settings.recordings.notice
            for text in (notice, first, *agent.fillers, *self._settings.calls.silent_prompts):
                if text:
                    yield text, voice

    async def make_hold_sounds(self, pool: Executor) -> None:
        """0.1 s of a core, in ``pool``."""
        loop = asyncio.get_running_loop()
        for codec in (OPUS, PCMU):
            for kind in HOLD_SOUNDS:
                self.hold_sounds[codec.name, kind] = await loop.run_in_executor(pool, hold_packets, codec, kind)
