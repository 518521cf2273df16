"""Tts: speaks. Turns phrases into packets, a little ahead of the caller's ear, never far."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.engines.tts.rendering import Rendering
from openclaw_actors.errors import SlowEngineError, TransientEngineError
from openclaw_actors.media.codecs import Encoded
from openclaw_actors.media.playout import PACKET_S
from openclaw_actors.messages import Credit, Interrupt, Progress, Say, Speech, Stage, Useful
from openclaw_actors.observability.logs import bind

AHEAD_S = 4.0
"""Speech made but not yet heard, when more is asked for: it lasts twice as long as a voice may hang
(``first_audio_s``), and what a barge-in throws away is paid for."""

ENCODED_S = 1.5
"""Of it encoded; the rest waits as PCM, since an interruption throws it away. With eight callers who interrupt each
second answer a host takes 0.96 of what it took when whole phrases were encoded at once (two hosts side by side)."""


class Tts(StageActor):
    """Speaks the phrases of one turn in order, as far ahead as its credit allows."""

    stage: ClassVar[Stage] = "tts"

    def take_up(self) -> None:
        """Resume the turn in delivery: what was handed on already is skipped."""
        self._phrases: deque[Say] = deque()
        self._to_prepare: deque[Say] = deque()
        self._prepared: dict[int, Rendering] = {}
        self._queued = (0, -1)
        self._turn = 0
        self._ahead: dict[int, float] = {}
        self._credit = asyncio.Event()
        self._heard_until = 0.0
        self._speaking: asyncio.Task[None] | None = None
        self._preparing: asyncio.Task[None] | None = None
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
        self._to_prepare.append(say)
        if self._preparing is None:
            self._preparing = self.spawn(self._prepare())
        if self._speaking is None:
            self._speaking = self.spawn(self._speak())

    def _interrupt(self, fence: int) -> None:
        if self._turn >= fence:
            return
        self._phrases.clear()
        self._to_prepare.clear()
        self._ahead.clear()
        self._heard_until = 0.0
        for task in (self._speaking, self._preparing):
            if task is not None:
                task.cancel()
        self._speaking = self._preparing = None
        for index in list(self._prepared):
            self._let_go(index)

    def _credited(self, credit: Credit) -> None:
        if credit.turn != self._turn:
            return
        for index in [known for known in self._ahead if known <= credit.index]:
            del self._ahead[index]
        self._credit.set()

    async def _prepare(self) -> None:
        """Have the engine speak the phrases, one after the other, before they are to be heard."""
        while self._to_prepare:
            if (excess := self._seconds_made() - AHEAD_S) > 0:
                await asyncio.sleep(excess)
                continue
            say, context = self._to_prepare.popleft(), self.context
            rendering = context.synthesis.prepare(
                context.engines.tts, context.playout.codec, say.text, voice=context.voice, shareable=say.shareable
            )
            if rendering is None:
                continue
            self._prepared[say.index] = rendering
            try:
                async with asyncio.timeout(context.settings.supervision.first_audio_s):
                    await rendering.begun()
            except TimeoutError:
                self._let_go(say.index)
                if say in self._phrases and say is not self._phrases[0]:  # there is time for another try
                    self._to_prepare.appendleft(say)
            else:
                await rendering.spoken()
        self._preparing = None

    def _seconds_made(self) -> float:
        """Of sound that is not heard yet, encoded or not."""
        pcm = sum(max(0.0, made.seconds - self._ahead.get(index, 0.0)) for index, made in self._prepared.items())
        return pcm + max(0.0, self._heard_until - time.monotonic())

    def _let_go(self, index: int) -> None:
        if (rendering := self._prepared.pop(index, None)) is not None:
            rendering.let_go()

    async def _speak(self) -> None:
        while self._phrases:
            while len(self._ahead) > 1 and sum(self._ahead.values()) > AHEAD_S:  # it is paused, or held
                self._credit.clear()
                await self._credit.wait()
            say = self._phrases[0]
            if self._to_prepare and self._to_prepare[0] is say:
                self._to_prepare.popleft()
            try:
                await self._phrase(say)
            finally:
                self._let_go(say.index)
            self._phrases.popleft()
        self._speaking = None

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:
        """Nobody wants any more what was prepared."""
        for index in list(self._prepared):
            self._let_go(index)
        super().on_down(reason, unread)

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
        """The next piece, when the ear is near it; None at the end.

        Each has the same deadline, since a voice may hang in mid-phrase.
        """
        if (early := self._heard_until - ENCODED_S - time.monotonic()) > 0:
            await asyncio.sleep(early)
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
        self._ahead[say.index] = self._ahead.get(say.index, 0.0) + seconds
        self._heard_until = max(self._heard_until, time.monotonic()) + seconds
        rendering = self._prepared.get(say.index)
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
                whole_s=rendering.seconds if rendering is not None and rendering.is_spoken else 0.0,
            )
        )
