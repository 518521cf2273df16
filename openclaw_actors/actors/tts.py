"""Tts: speaks. Turns phrases into packets, a little ahead of the caller's ear, never far."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.errors import SlowEngineError, TransientEngineError
from openclaw_actors.media.codecs import Encoded
from openclaw_actors.media.playout import PACKET_S
from openclaw_actors.messages import Credit, Interrupt, Progress, Say, Speech, Stage, Useful
from openclaw_actors.observability.logs import bind

AHEAD_S = 4.0
"""Speech made but not yet heard, when more is asked for: it lasts twice as long as a voice may hang
(``first_audio_s``), and what a barge-in throws away is paid for. A caller who interrupts each second answer costs a
tenth less than at 8 s."""


class Tts(StageActor):
    """Speaks the phrases of one turn in order, as far ahead as its credit allows."""

    stage: ClassVar[Stage] = "tts"

    def take_up(self) -> None:
        """Resume the turn in delivery: what was handed on already is skipped."""
        self._phrases: deque[Say] = deque()
        self._queued = (0, -1)
        self._turn = 0
        self._ahead: dict[int, float] = {}
        """Seconds of each phrase that is handed on and not heard yet."""
        self._credit = asyncio.Event()
        self._credited_at = 0.0
        """When the first of those began to be heard, unless it waits for something."""
        self._speaking: asyncio.Task[None] | None = None
        delivery = self.context.memory.delivery
        if not self.context.memory.fence.stale(delivery.turn):
            for index in sorted(delivery.unsaid):
                self._take(delivery.unsaid[index])

    def receive(self, message: Any) -> None:
        """Phrases, and credit for more."""
        match message:
            case Say():
                self._take(message)
            case Credit():
                self._credited(message)
            case Interrupt():
                self._interrupt(message.fence)
            case _:
                super().receive(message)

    def _take(self, say: Say) -> None:
        if self.context.memory.fence.stale(say.turn) or (say.turn, say.index) <= self._queued:
            return
        if say.turn != self._turn:
            self._interrupt(say.turn)
            self._turn = say.turn
            bind(turn=say.turn)
        self._queued = (say.turn, say.index)
        self._phrases.append(say)
        if self._speaking is None:
            self._speaking = self.spawn(self._speak())

    def _interrupt(self, fence: int) -> None:
        if self._turn >= fence:
            return
        self._phrases.clear()
        self._ahead.clear()
        if self._speaking is not None:
            self._speaking.cancel()
            self._speaking = None

    def _credited(self, credit: Credit) -> None:
        if credit.turn != self._turn:
            return
        for index in [known for known in self._ahead if known <= credit.index]:
            del self._ahead[index]
        self._credited_at = time.monotonic()
        self._credit.set()

    async def _until_less_is_ahead(self) -> None:
        """Credit comes by phrases: by it alone, what follows a long one would be asked for when that is over.

        So the phrase in play counts for less as time goes by. If it does not play, that is one phrase too many at most.
        """
        while (excess := sum(self._ahead.values()) - AHEAD_S) > 0:
            first, played = next(iter(self._ahead.values())), time.monotonic() - self._credited_at
            excess -= min(first, played)
            if excess <= 0:
                return
            self._credit.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(excess if played < first else None):
                    await self._credit.wait()

    async def _speak(self) -> None:
        while self._phrases:
            await self._until_less_is_ahead()
            await self._phrase(self._phrases[0])
            self._phrases.popleft()
        self._speaking = None

    async def _phrase(self, say: Say) -> None:
        if say.text:
            try:
                await self._sound(say)
            except TransientEngineError as error:
                self.retrying(error)
                await self._sound(say)
        self._send(say, Encoded(), ends=True)
        self.context.memory.delivery.done(say)
        if say.text:
            self.report(Useful())

    async def _sound(self, say: Say) -> None:
        """The sound of a phrase, from where it was left."""
        context = self.context
        sound = context.synthesis.phrase(
            context.engines.tts,
            context.playout.codec,
            say.text,
            voice=context.voice,
            shareable=say.shareable,
            skip_s=context.memory.delivery.seconds.get(say.index, 0.0),
        )
        async with contextlib.aclosing(sound):
            began = time.monotonic()
            first = await self._next(sound)
            if first is not None:
                self._begun(began)
                self._send(say, first)
            while (more := await self._next(sound)) is not None:
                self._send(say, more)

    async def _next(self, sound: AsyncGenerator[Encoded, None]) -> Encoded | None:
        """The next piece; None at the end. Each has the same deadline, since a voice may hang in mid-phrase."""
        limit = self.context.settings.supervision.first_audio_s
        try:
            async with asyncio.timeout(limit):
                return await anext(sound, None)
        except TimeoutError as error:
            name = self.context.engines.tts.name
            raise SlowEngineError(f"{name} made no sound within {limit:g} s") from error

    def _begun(self, asked_at: float) -> None:
        now = time.monotonic()
        self.report(Progress(self._turn, "first_audio", now))
        self.log.debug("first audio", ms=round((now - asked_at) * 1000))

    def _send(self, say: Say, sound: Encoded, *, ends: bool = False) -> None:
        seconds = len(sound.packets) * PACKET_S
        self.context.memory.delivery.handed_on(say, seconds)
        if not self._ahead:
            self._credited_at = time.monotonic()
        self._ahead[say.index] = self._ahead.get(say.index, 0.0) + seconds
        self.context.ports["transport"].tell(
            Speech(
                say.turn,
                say.index,
                "" if say.aside else say.text,
                sound.packets,
                sound.pcm,
                ends_phrase=ends,
                ends_turn=ends and say.last,
                words=sound.words,
            )
        )
