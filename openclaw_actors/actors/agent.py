"""Agent: thinks. Streams the reply of its engine to the Tts, phrase by phrase."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.engines.protocols import (
    AgentRequest,
    CallControl,
    EndCall,
    HoldCall,
    PressKeys,
    StayQuiet,
    TakeMessage,
    TransferCall,
)
from openclaw_actors.errors import (
    BrokenEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
    UnsentEngineError,
)
from openclaw_actors.messages import (
    Ask,
    Errand,
    HangUp,
    Hold,
    Interrupt,
    KeepMessage,
    Progress,
    Say,
    SendDtmf,
    Stage,
    Transfer,
    Useful,
)
from openclaw_actors.observability.logs import bind
from openclaw_actors.observability.traces import TRACEPARENT
from openclaw_actors.settings.sections import Agent as AgentSettings
from openclaw_actors.turns.phrases import PhraseSplitter
from openclaw_actors.turns.speech_text import SpeechText
from openclaw_actors.turns.spoken_form import spoken_form

TOKEN_STALL_S = 0.15
"""A model that pauses so long has its first words spoken already."""

_LEAST_S = 0.001
"""uvloop counts whole milliseconds: a timer may fire by so much too soon, and one that is due in less would at once."""

_BUSY_S = 0.001
"""A model may have sent much at once: others have their turn after so long."""

RETRY_S = (0.0, 0.25, 0.5, 1.0)
"""Pauses before a question that never reached its server is sent again: a proxy that reloads is back within them, and
the caller has waited for no more than the filler. Another passing fault is tried once more, at once."""


class Agent(StageActor):
    """Asks its engine, one turn at a time; a newer Ask or an Interrupt cancels the one before."""

    stage: ClassVar[Stage] = "agent"

    def take_up(self) -> None:
        """Nothing is taken up: the Call decides whether a lost question is asked again."""
        self._turn = 0
        self._fillers = itertools.cycle(self.context.settings.agent.fillers)
        self._reply: asyncio.Task[None] | None = None
        self._minder: asyncio.Task[None] | None = None
        """Minds that reply's pauses."""

    def receive(self, message: Any) -> None:
        """Questions."""
        match message:
            case Ask():
                if not self.context.memory.fence.stale(message.turn):
                    self._cancel()
                    self._turn = message.turn
                    bind(turn=message.turn)
                    self._reply = self.spawn(self._answer(message))
            case Interrupt():
                if self._turn < message.fence:
                    self._cancel()
            case _:
                super().receive(message)

    def _cancel(self) -> None:
        for task in (self._reply, self._minder):
            if task is not None:
                task.cancel()
        self._reply = self._minder = None

    async def _answer(self, ask: Ask) -> None:
        context = self.context
        TRACEPARENT.set(ask.traceparent)
        request = AgentRequest(
            call_id=context.call_id,
            caller=context.caller_number,
            text=ask.text,
            history=ask.history,
            system_prompt=context.system_prompt,
            call_seconds=time.monotonic() - context.answered_at,
            unfinished=ask.unfinished,
            agent=context.profile.agent,
            tools=context.tools,
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

    async def _relay(self, reply: AsyncIterator[str | CallControl], voice: _Phrases, turn: int) -> None:
        """Engine to phrases, under deadlines: the first word's, then the same between any two."""
        name, deadline = self.context.engines.agent.name, self._deadline()
        pauses = _Pauses(self.context.settings.agent, self._fillers, voice)
        minder = self._minder = self.spawn(pauses.mind())
        try:
            async with asyncio.timeout(deadline) as limit:
                answered, busy_from = False, time.monotonic()
                async for piece in reply:
                    _end_if_cancelled()
                    limit.reschedule(self._loop.time() + deadline)
                    answered |= self._take(piece, voice, turn, pauses)
                    if time.monotonic() - busy_from > _BUSY_S:
                        await asyncio.sleep(0)
                        busy_from = time.monotonic()
                _end_if_cancelled()
        except Exception as error:
            if not limit.expired():
                raise
            raise SlowEngineError(f"{name} sent nothing for {deadline:.0f} s") from error
        finally:
            minder.cancel()
        voice.flush()
        if not answered:
            raise BrokenEngineError(f"{name} gave an empty answer")

    def _take(self, piece: str | CallControl, voice: _Phrases, turn: int, pauses: _Pauses) -> bool:
        """Whether it is an answer: words, or something to be done; words that no voice can speak are one too."""
        if not isinstance(piece, str):
            pauses.piece_came()
            if not isinstance(piece, StayQuiet):
                self.report(Errand(turn, _mail_for(piece)))
            return True
        if not pauses.words_came:
            now = time.monotonic()
            self.meter.latency.observe(now - pauses.began_at)
            self.report(Progress(turn, "first_token", now))
        pauses.piece_came(words=True)
        self.meter.characters.inc(len(piece))
        voice.push(piece)
        return bool(piece.strip())

    def _deadline(self) -> float:
        return self.context.engines.agent.first_token_s or self.context.settings.supervision.first_token_s


class _Pauses:
    """The model's pauses within one answer: what can be spoken in them is, or a filler.

    They are minded by one task an answer: a wait for each piece would take a task and three turns of the loop a token.
    """

    def __init__(self, settings: AgentSettings, fillers: Iterator[str], voice: _Phrases) -> None:
        self.words_came = False
        self.began_at = time.monotonic()
        self._last_at = self.began_at
        """When a piece came."""
        self._quiet_from = self.began_at
        """When a piece came, or a filler was spoken."""
        self._settings = settings
        self._fillers = fillers
        self._voice = voice

    def piece_came(self, *, words: bool = False) -> None:
        """The pause is over."""
        self._last_at = self._quiet_from = time.monotonic()
        self.words_came |= words

    async def mind(self) -> None:
        """Until it is cancelled."""
        due = self.began_at + TOKEN_STALL_S
        while True:
            await asyncio.sleep(max(_LEAST_S, due - time.monotonic()))
            now = time.monotonic()
            if now - self._last_at < TOKEN_STALL_S:
                due = self._last_at + TOKEN_STALL_S
            elif now >= due:
                self._speak(now)
                due = now + TOKEN_STALL_S

    def _speak(self, now: float) -> None:
        if self.words_came:
            self._voice.stalled()
        due_s = self._settings.filler_again_s if self._voice.has_begun else self._settings.filler_after_s
        if self._settings.filler_after_s and due_s and now - self._quiet_from >= due_s:
            self._voice.filler(next(self._fillers, ""))
            self._quiet_from = now


def _end_if_cancelled() -> None:
    """An engine may have swallowed the cancellation, and gone on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _mail_for(control: EndCall | TransferCall | PressKeys | HoldCall | TakeMessage) -> Any:
    """The Call's own mail that does it."""
    match control:
        case EndCall():
            return HangUp("agent_hangup")
        case TransferCall(number):
            return Transfer(number)
        case PressKeys(digits):
            return SendDtmf(digits)
        case HoldCall(seconds):
            return Hold(seconds=seconds)
        case TakeMessage(text):
            return KeepMessage(text)


class _Phrases:
    """One turn's text on its way to the Tts."""

    def __init__(self, agent: Agent, turn: int) -> None:
        self.said = False
        """Words of the answer are on their way; a filler is none."""
        self._agent = agent
        self._turn = turn
        self._index = agent.context.memory.delivery.next_index(turn)
        self._clean = SpeechText()
        self._language = agent.context.language
        self._split = PhraseSplitter(self._language)

    def push(self, text: str) -> None:
        """More of the model's text."""
        self._say(self._split.push(self._clean.push(text)))

    def stalled(self) -> None:
        """The model pauses: what can be spoken is."""
        self._say(self._split.stalled())

    @property
    def has_begun(self) -> bool:
        """Something of the turn is on its way to the caller's ear."""
        return self._index > 0

    def filler(self, text: str) -> None:
        """The model is slow: a few words, so that the caller knows we are there."""
        if text:
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
            if not self.said:
                self._agent.report(Progress(self._turn, "first_clause", time.monotonic()))
            self.said = True
            self._tell(spoken_form(phrase, self._language))

    def _tell(self, text: str, *, last: bool = False, aside: bool = False) -> None:
        say = Say(self._turn, self._index, text, last, shareable=aside, aside=aside)
        self._index += 1
        self._agent.context.memory.delivery.offer(say)
        self._agent.context.ports["tts"].tell(say)
