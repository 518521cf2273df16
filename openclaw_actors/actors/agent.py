"""Agent: thinks. Streams the reply of its engine to the Tts, phrase by phrase."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar, TypeVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.engines.protocols import AgentRequest, EndCall
from openclaw_actors.errors import (
    BrokenEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
    UnsentEngineError,
)
from openclaw_actors.messages import Ask, Farewell, Interrupt, Progress, Say, Stage, Useful
from openclaw_actors.turns.phrases import PhraseSplitter
from openclaw_actors.turns.speech_text import SpeechText

_T = TypeVar("_T")

TOKEN_STALL_S = 0.15
"""A model that pauses so long has its first words spoken already."""

RETRY_S = (0.0, 0.25, 0.5, 1.0)
"""Pauses before a question that never reached its server is sent again: a proxy that reloads is back within them, and
the caller has waited for no more than the filler. Another passing fault is tried once more, at once."""


class Stall:
    """No piece came for a while."""


async def with_stalls(source: AsyncIterator[_T], stall_s: float) -> AsyncGenerator[_T | Stall, None]:
    """The pieces of ``source``, and a Stall each ``stall_s`` seconds without one."""
    end = Stall()
    pending: asyncio.Future[_T | Stall] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(source, end))
            done, _ = await asyncio.wait({pending}, timeout=stall_s)
            if not done:
                yield Stall()
                continue
            piece, pending = pending.result(), None
            if piece is end:
                return
            yield piece
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await pending


class Agent(StageActor):
    """Asks its engine, one turn at a time; a newer Ask or an Interrupt cancels the one before."""

    stage: ClassVar[Stage] = "agent"

    def take_up(self) -> None:
        """Nothing is taken up: the Call decides whether a lost question is asked again."""
        self._turn = 0
        self._reply: asyncio.Task[None] | None = None

    def receive(self, message: Any) -> None:
        """Questions."""
        match message:
            case Ask():
                if not self.context.memory.fence.stale(message.turn):
                    self._cancel()
                    self._turn = message.turn
                    self._reply = self.spawn(self._answer(message))
            case Interrupt():
                if self._turn < message.fence:
                    self._cancel()
            case _:
                super().receive(message)

    def _cancel(self) -> None:
        if self._reply is not None:
            self._reply.cancel()
            self._reply = None

    async def _answer(self, ask: Ask) -> None:
        context = self.context
        request = AgentRequest(
            call_id=context.call_id,
            caller=context.caller if context.caller.startswith("+") else "",
            text=ask.text,
            history=ask.history,
            system_prompt=context.profile.system_prompt or context.settings.agent.system_prompt,
            call_seconds=time.monotonic() - context.answered_at,
            unfinished=ask.unfinished,
            agent=context.profile.agent,
        )
        for tries in itertools.count():
            voice = _Phrases(self, ask.turn)
            try:
                context.memory.asked = ask.turn
                await self._ask(request, voice, ask.turn)
                break
            except TransientEngineError as error:
                await asyncio.sleep(self._retry_after(error, tries, voice))
                self.retrying(error)
        voice.close()
        self.report(Useful())

    def _retry_after(self, error: TransientEngineError, tries: int, voice: _Phrases) -> float:
        """Seconds until the same is asked again in place; else raises what the failure comes to."""
        if voice.said:
            raise error  # the Call has it continued behind what was said
        if isinstance(error, UnsentEngineError):
            if tries == len(RETRY_S):
                raise UnavailableEngineError(str(error)) from error
            return RETRY_S[tries]
        if tries or not self.context.engines.agent.repeatable:
            raise error
        return 0.0

    async def _ask(self, request: AgentRequest, voice: _Phrases, turn: int) -> None:
        reply = self.context.engines.agent.reply(request)
        async with contextlib.aclosing(reply):  # type: ignore[type-var] # an async generator in all engines
            await self._relay(reply, voice, turn)

    async def _relay(self, reply: AsyncIterator[str | EndCall], voice: _Phrases, turn: int) -> None:
        """Engine to phrases, under deadlines: the first word's, then the same between any two."""
        pieces = with_stalls(reply, TOKEN_STALL_S)
        async with contextlib.aclosing(pieces):
            await self._speak(pieces, voice, turn)
        voice.flush()
        if not voice.said:
            raise BrokenEngineError(f"{self.context.engines.agent.name} gave an empty answer")

    async def _speak(self, pieces: AsyncIterator[str | EndCall | Stall], voice: _Phrases, turn: int) -> None:
        deadline = self._deadline()
        asked_at = last_at = time.monotonic()
        heard = False
        async for piece in pieces:
            now = time.monotonic()
            if isinstance(piece, Stall):
                self._stalled(voice, heard=heard, since_asked=now - asked_at)
                if now - last_at > deadline:
                    raise SlowEngineError(f"{self.context.engines.agent.name} sent nothing for {deadline:.0f} s")
                continue
            last_at = now
            if isinstance(piece, EndCall):
                self.report(Farewell(turn))
                continue
            if not heard:
                heard = True
                self.report(Progress(turn, "first_token", now))
            voice.push(piece)

    def _stalled(self, voice: _Phrases, *, heard: bool, since_asked: float) -> None:
        filler_after = self.context.settings.agent.filler_after_s
        if heard:
            voice.stalled()
        elif filler_after and since_asked >= filler_after:
            voice.filler()

    def _deadline(self) -> float:
        return self.context.engines.agent.first_token_s or self.context.settings.supervision.first_token_s


class _Phrases:
    """One turn's text on its way to the Tts."""

    def __init__(self, agent: Agent, turn: int) -> None:
        self.said = False
        self._agent = agent
        self._turn = turn
        self._index = agent.context.memory.delivery.next_index(turn)
        self._clean = SpeechText()
        self._split = PhraseSplitter()

    def push(self, text: str) -> None:
        """More of the model's text."""
        self._say(self._split.push(self._clean.push(text)))

    def stalled(self) -> None:
        """The model pauses: what can be spoken is."""
        self._say(self._split.stalled())

    def filler(self) -> None:
        """The model is slow: a few words, once, so that the caller knows we are there."""
        text = self._agent.context.settings.agent.filler
        if text and not self._index:
            self._tell(text, aside=True)

    def flush(self) -> None:
        """The text is complete: speak the rest of it."""
        self._say(self._split.push(self._clean.flush()))
        self._say(self._split.flush())

    def close(self) -> None:
        """End the turn."""
        self._tell("", last=True)

    def _say(self, phrases: list[str]) -> None:
        for phrase in phrases:
            self.said = True
            self._tell(phrase)

    def _tell(self, text: str, *, last: bool = False, aside: bool = False) -> None:
        say = Say(self._turn, self._index, text, last, shareable=aside, aside=aside)
        self._index += 1
        self._agent.context.memory.delivery.offer(say)
        self._agent.context.ports["tts"].tell(say)
