"""The Stt's side of a recogniser that hears while the caller speaks: the ring goes up as it grows.

The ring stays the one place where the caller's sound is kept: a hearing that is lost is begun anew from it, in this
incarnation or the next, with nothing said twice and nothing left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from openclaw_actors.actors.memory import Memory
from openclaw_actors.engines.protocols import Hearing, StreamingSttEngine
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

FEED_S = 0.1
"""Between two looks at the ring. What is not up yet when the caller falls silent goes up then, so this costs no time at
the end of a turn; words while they speak come that much later. 40 ms would be 2.5 times the messages for that."""

OnWords = Callable[[int, str, int], object]
"""Takes utterance, its words so far, and the media time up to which it was sent."""


@dataclass(slots=True)
class _Stream:
    hearing: Hearing
    sent_to: int
    """Media time up to which the hearing has the utterance."""


class Listening:
    """The streaming half of one Stt incarnation: one session, and a hearing for each utterance that is not closed.

    Args:
        engine: gives the session.
        language: BCP 47, or empty.
        memory: the call's, for its ring.
        start_of: media time at which the sound of an utterance is read from.
        on_words: told the words while they come.
    """

    def __init__(
        self,
        engine: StreamingSttEngine,
        language: str,
        memory: Memory,
        start_of: Callable[[int], int],
        on_words: OnWords,
    ) -> None:
        self._session = engine.session(language=language)
        self._meter = meter_of("stt", engine.name)
        self._memory = memory
        self._start_of = start_of
        self._on_words = on_words
        self._streams: dict[int, _Stream] = {}

    async def hold(self) -> None:
        """Keep the session, from now until this is cancelled.

        Raises:
            EngineError: it can't be had, and trying again would not help.
        """
        try:
            try:
                await self._session.open()
            except TransientEngineError as error:
                log.info("the recogniser is not connected yet", reason=str(error))  # the session goes on trying
            await asyncio.Event().wait()
        finally:
            await self._session.aclose()

    async def follow(self, utterance: int) -> None:
        """Send the utterance as it grows, until this is cancelled.

        Raises:
            EngineError: of a kind that another try would not cure.
        """
        while True:
            try:
                self._send(utterance, self._memory.ring.end)
            except TransientEngineError as error:
                self._again(error)
                self.forget(utterance)
            await asyncio.sleep(FEED_S)

    async def finish(self, utterance: int, end: int) -> str:
        """The words of the utterance up to media time ``end``; a passing fault is tried again once.

        Raises:
            EngineError: as the hearing's.
        """
        try:
            transcript = await self._send(utterance, end).finish()
        except TransientEngineError as error:
            self._again(error)
            self.forget(utterance)
            transcript = await self._send(utterance, end).finish()
        return transcript.text.strip()

    def _again(self, error: TransientEngineError) -> None:
        log.info("the utterance is sent anew", reason=str(error))
        self._meter.failed(error.kind)

    def forget(self, utterance: int) -> None:
        """Its words are known, or of no use any more."""
        stream = self._streams.pop(utterance, None)
        if stream is not None:
            stream.hearing.drop()

    def forget_all_but(self, utterances: set[int]) -> None:
        """The others are closed."""
        for utterance in self._streams.keys() - utterances:
            self.forget(utterance)

    def _send(self, utterance: int, end: int) -> Hearing:
        stream = self._streams.get(utterance)
        if stream is None:
            stream = self._streams[utterance] = self._begin(utterance)
        end = min(end, self._memory.ring.end)
        if end > stream.sent_to:
            pcm = self._memory.ring.read(stream.sent_to, end)
            stream.sent_to = end
            stream.hearing.push(pcm)
            self._meter.audio.inc(len(pcm) / 2 / SAMPLE_RATE)
        return stream.hearing

    def _begin(self, utterance: int) -> _Stream:
        def tell(words: str) -> None:
            stream = self._streams.get(utterance)
            if stream is not None:
                self._on_words(utterance, words, stream.sent_to)

        return _Stream(self._session.hear(tell), self._start_of(utterance))
