"""Many scripted callers at once: what they do, and what each of them measured.

A round is a question, a moment of listening, an objection spoken over the reply, and the reply to that. Callers that
come one by one (``ramp_s``) converse at once, and go on as they came: over a ramp as long as a round (some 20 s) they
are spread over it as people are who know nothing of each other, over a short one they speak in chorus. What is counted
begins when all are there, and who has done his rounds goes on until all have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.load_target import Meter
from openclaw_actors.testkit.mouth import Pacing
from openclaw_actors.testkit.party import Answer, Interruption
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError

_SETTLE_S = 1.0
"""Between set-up and the first question: set-up is no part of a call's running cost. Without a ramp the callers then
begin within such a time of each other."""

_SPOKEN_OUT_S = 0.3
"""A reply that has been silent for so long is over, or pauses: nothing is there to be spoken over."""

_REPLY_S = 60.0
"""A reply that goes on longer is given up."""


class LoadCaller(Protocol):
    """What a caller is to a load, whatever it calls by; testkit/caller.py's is one over WebRTC."""

    heard: Ear
    setup_s: float

    @property
    def pacing(self) -> Pacing:
        """How late its own packets left."""

    async def dial(self, timeout_s: float = ...) -> None:
        """Call; as ``Caller.dial``."""

    async def hang_up(self) -> int:
        """End the call."""

    async def ask(self, speech: Speech, timeout_s: float = ...) -> Answer:
        """As ``Caller.ask``."""

    async def talk_over(self, speech: Speech, timeout_s: float = ...) -> Interruption:
        """As ``Caller.talk_over``."""

    async def wait_voice(self, timeout_s: float = ..., *, after: float = ...) -> float:
        """As ``Caller.wait_voice``."""

    async def wait_silence(self, timeout_s: float = ..., *, quiet_s: float = ...) -> float:
        """As ``Caller.wait_silence``."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What the callers do.

    Args:
        question: asked in each round.
        objection: spoken over the reply; None: the reply is heard to its end.
        calls: callers at once.
        turns: rounds of each that count.
        ramp_s: the callers come one by one over so many seconds; 0: all at once.
        greeting_s: how long a greeting is waited for; 0: there is none.
        answer_s: a question without an answer by then stays unanswered.
        listen_s: into the reply, before it is spoken over.
        quiet_s: so much silence ends a reply.
    """

    question: Speech
    objection: Speech | None
    calls: int = 1
    turns: int = 6
    ramp_s: float = 0.0
    greeting_s: float = 0.0
    answer_s: float = 15.0
    listen_s: float = 1.0
    quiet_s: float = 0.6


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: ``seconds``, taken ``at`` seconds from the beginning; ``counts``: all callers were there."""

    at: float
    seconds: float
    counts: bool = True


@dataclass(slots=True)
class Tally:
    """What the callers measured."""

    setups: list[Sample] = field(default_factory=list)
    turns: list[Sample] = field(default_factory=list)
    barge_ins: list[Sample] = field(default_factory=list)
    unanswered: int = 0
    short_replies: int = 0
    """Replies that were over before they could be spoken over."""
    refused: list[str] = field(default_factory=list)
    """Why calls did not come about."""
    dropped: int = 0
    """Calls that the host ended before the caller did."""


@dataclass(slots=True)
class Load:
    """Callers that hold a plan's conversation, all on this loop.

    Args:
        plan: what they do.
        callers: who they are, as many as the plan says; none has dialled yet.
        on_round: told after each round.
        on_steady: told when what is measured begins to count.
        meter: runs from then until the last has done its rounds.
    """

    plan: LoadPlan
    callers: Sequence[LoadCaller]
    on_round: Callable[[], object] = lambda: None
    on_steady: Callable[[], object] = lambda: None
    meter: Meter | None = None
    tally: Tally = field(default_factory=Tally)
    _began: float = 0.0
    _connecting: int = 0
    _conversing: int = 0
    _connected: asyncio.Event = field(default_factory=asyncio.Event)
    _steady: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Tally:
        """Call, converse, hang up; what was measured."""
        self._began = time.monotonic()
        self._connecting = self._conversing = len(self.callers)
        try:
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(self._call(number, caller)) for number, caller in enumerate(self.callers)]
                await self._count()
                for call in calls:
                    call.cancel()
        finally:
            await asyncio.gather(*(caller.hang_up() for caller in self.callers), return_exceptions=True)
        return self.tally

    async def _count(self) -> None:
        """From when all are there until the last has done its rounds."""
        await self._connected.wait()
        await asyncio.sleep(_SETTLE_S)
        for caller in self.callers:
            caller.pacing.lags.clear()
        if self.meter:
            self.meter.start()
        self.on_steady()
        self._steady.set()
        await self._done.wait()
        if self.meter:
            await self.meter.stop()

    async def _call(self, number: int, caller: LoadCaller) -> None:
        """Until cancelled, or the call is over."""
        share = number / len(self.callers)
        try:
            try:
                if not await self._connect(share, caller):
                    return
                await self._rounds(share, caller)
            finally:
                self._conversing -= 1
                if not self._conversing:
                    self._done.set()
            while True:
                await self._round(caller, counts=False)
        except CallEndedError:
            self.tally.dropped += 1

    async def _connect(self, share: float, caller: LoadCaller) -> bool:
        """Whether the call came about."""
        await asyncio.sleep(self.plan.ramp_s * share)
        try:
            await caller.dial()
        except (CallRefusedError, CallEndedError, aiohttp.ClientError, TimeoutError) as error:
            self.tally.refused.append(str(error) or type(error).__name__)
            return False
        finally:
            self._connecting -= 1
            if not self._connecting:
                self._connected.set()
        self.tally.setups.append(Sample(time.monotonic() - self._began, caller.setup_s))
        return True

    async def _rounds(self, share: float, caller: LoadCaller) -> None:
        """As many as the plan wants, and those before that do not count."""
        await self._greeting(caller)
        if self.plan.ramp_s:
            while not self._steady.is_set():
                await self._round(caller, counts=False)
        else:
            await self._steady.wait()
            await asyncio.sleep(_SETTLE_S * share)
        for _ in range(self.plan.turns):
            await self._round(caller, counts=True)
            self.on_round()

    async def _greeting(self, caller: LoadCaller) -> None:
        if self.plan.greeting_s:
            with suppress(TimeoutError):
                await caller.wait_voice(self.plan.greeting_s)
                await caller.wait_silence(_REPLY_S, quiet_s=self.plan.quiet_s)

    async def _round(self, caller: LoadCaller, *, counts: bool) -> None:
        await converse(caller, self.plan, self.tally, began=self._began, counts=counts)


async def converse(
    caller: LoadCaller, plan: LoadPlan, tally: Tally, *, began: float = 0.0, counts: bool = True
) -> None:
    """One round; measurements go into ``tally``, at times since ``began``."""
    try:
        answer = await caller.ask(plan.question, plan.answer_s)
        tally.turns.append(Sample(answer.heard_at - began, answer.latency_s, counts))
        if plan.objection is not None:
            await asyncio.sleep(plan.listen_s)
            if caller.heard.quiet_s(time.monotonic()) < _SPOKEN_OUT_S:
                interruption = await caller.talk_over(plan.objection)
                tally.barge_ins.append(Sample(interruption.silent_at - began, interruption.latency_s, counts))
                await caller.wait_voice(plan.answer_s, after=interruption.utterance.ended_at)
            else:
                tally.short_replies += 1
        await caller.wait_silence(_REPLY_S, quiet_s=plan.quiet_s)
    except TimeoutError:
        tally.unanswered += 1
