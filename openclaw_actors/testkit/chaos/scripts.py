"""The moments at which a fault strikes, as conversations: what the caller does, and what they then must have heard."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache

from openclaw_actors.actors.floor import GOES_ON_S
from openclaw_actors.actors.stage import StageActor
from openclaw_actors.messages import Stage
from openclaw_actors.testkit.chaos.bench import ANSWER, OBJECTION, OTHER_ANSWER, QUESTION, Bench, Line, words
from openclaw_actors.testkit.chaos.sabotage import arm, kill_worker, stage_of, strike
from openclaw_actors.testkit.chaos.table import OF_STAGES, Cell, Moment
from openclaw_actors.testkit.mouth import Utterance
from openclaw_actors.testkit.speakers import Speech, flite, silence

ANSWERED_S = 25.0
"""For a whole answer: 4 s of voice, a deadline or two, and a recogniser that several callers share."""

BACK_S = 8.0
"""For a stage that is deaf: it is known after at most 3 s."""

_OBJECTS_S = GOES_ON_S
"""After the voice has begun, with 0.3 s of silence behind it: sooner, it would be the rest of the question."""

_PARTNERS: dict[Stage, Stage] = {
    "transport": "turns",
    "turns": "transport",
    "stt": "tts",
    "agent": "stt",
    "tts": "agent",
}
"""Who is in the middle of a restart when the stage fails: one that the stage talks with."""


class MissedError(Exception):
    """The caller was not served as they should; the text says what they missed."""


def expect(true: bool, otherwise: str) -> None:
    """Raise a MissedError unless it is so."""
    if not true:
        raise MissedError(otherwise)


@dataclass
class Told:
    """What became of a cell's conversation."""

    struck_at: float = 0.0
    answer_late_s: float = 0.0
    """End of the caller's speech to the voice of the answer that the fault was in the way of."""


class Conversation:
    """One line, one cell."""

    def __init__(self, bench: Bench, line: Line, cell: Cell) -> None:
        self._bench = bench
        self._line = line
        self._caller = line.caller
        self._cell = cell
        self._heard = 0
        self.told = Told()

    async def run(self) -> Told:
        """Speak, let the fault strike, listen.

        Raises:
            MissedError: the caller was not heard, or not answered, as they should.
            TimeoutError: something did not come at all.
        """
        await _SCRIPTS[self._cell.moment](self)
        return self.told

    # --- what goes wrong ------------------------------------------------------------------------------------

    def _strike(self) -> None:
        cell = self._cell
        self.told.struck_at = time.monotonic()
        if cell.fault in OF_STAGES:
            actor = self._stage(cell.stage)
            strike(actor, cell.fault, cell.message)
        elif cell.fault == "killed worker":
            engine = self._bench.recogniser if cell.stage == "stt" else self._bench.voice
            expect(bool(kill_worker(engine)), f"{engine.name} has no process")
        else:
            arm(self._line.stub, cell.stage, cell.fault)

    def _stage(self, stage: Stage) -> StageActor:
        actor = stage_of(self._caller.call_id, stage)
        if actor is None:
            raise MissedError(f"{stage} is down already")
        return actor

    async def _back(self) -> None:
        """The stage is there again, where the fault must cost it a life."""
        cell = self._cell
        if cell.fault in OF_STAGES:
            await self._restarted(cell.stage, self.told.struck_at)

    async def _restarted(self, stage: Stage, after: float) -> None:
        await self._caller.wait_event("call.stage.restarted", lambda d: d["stage"] == stage, BACK_S, after=after)

    # --- what is said ------------------------------------------------------------------------------------

    def _say(self, text: str) -> Utterance:
        return self._caller.start_saying(silence(0.3).then(speech(text)))

    async def _answered(self, utterance: Utterance, question: str, answer: str) -> None:
        """The question was heard, every word once, and its answer spoken to the end, once.

        Where the next engine has taken over, the answer is the parrot's.
        """
        caller = self._caller

        def whole(_: Mapping[str, object]) -> bool:
            return words(self._said("agent")) == self._expected(question, answer)

        try:
            await utterance.done
            voice_at = await caller.wait_voice(ANSWERED_S, after=utterance.ended_at)
            self.told.answer_late_s = max(self.told.answer_late_s, voice_at - utterance.ended_at)
            await caller.wait_event("call.transcript", whole, ANSWERED_S)
        except TimeoutError:
            raise MissedError(f"answered «{self._said('agent')}» to «{self._said('user')}»") from None
        self._heard_whole(words(question))
        await caller.wait_silence(quiet_s=0.3)
        self._heard = len(caller.transcript)

    def _expected(self, question: str, answer: str) -> list[str]:
        return words(f"You said: {question}" if "agent" in self._line.switches else answer)

    def _heard_whole(self, said: list[str]) -> None:
        heard = words(self._said("user"))
        expect(heard == said, f"heard «{' '.join(heard)}» of «{' '.join(said)}»")

    def _said(self, role: str) -> str:
        return " ".join(line.text for line in self._caller.transcript[self._heard :] if line.role == role)

    # --- the moments ------------------------------------------------------------------------------------

    async def idle(self) -> None:
        """Nobody speaks."""
        await self._caller.wait(0.6)
        self._strike()
        await self._back()
        await self._answered(self._say(QUESTION), QUESTION, ANSWER)

    async def mid_utterance(self) -> None:
        """The caller speaks."""
        onset = self._cell.message == "SpeechStarted"
        if onset:
            self._strike()
        utterance = self._say(QUESTION)
        await self._caller.wait_event("call.speech.started")
        await self._caller.wait(0.6)
        if not onset:
            self._strike()
        await self._answered(utterance, QUESTION, ANSWER)
        await self._back()

    async def mid_reply(self) -> None:
        """The agent speaks."""
        cell = self._cell
        if cell.fault not in OF_STAGES and cell.fault != "killed worker":
            self.told.struck_at = time.monotonic()
            arm(self._line.stub, cell.stage, cell.fault, later=True)
        utterance = self._say(QUESTION)
        await utterance.done
        await self._caller.wait_voice(ANSWERED_S, after=utterance.ended_at)
        await self._caller.wait(0.6)
        if not self.told.struck_at:
            self._strike()
        await self._answered(utterance, QUESTION, ANSWER)
        await self._back()
        await self._answered(self._say(OBJECTION), OBJECTION, OTHER_ANSWER)

    async def barge_in(self) -> None:
        """The caller speaks over the agent."""
        caller = self._caller
        first = self._say(QUESTION)
        await first.done
        began = await caller.wait_voice(ANSWERED_S, after=first.ended_at)
        await caller.wait(_OBJECTS_S)
        over = time.monotonic()
        poison = self._cell.message == "Interrupt"  # it comes with the first word that is understood
        if poison:
            self._strike()
        utterance = self._say(OBJECTION)
        await caller.wait_event("call.speech.started", after=max(over, began))
        if not poison:
            self._strike()
        await self._interrupted(utterance)
        await self._back()

    async def _interrupted(self, utterance: Utterance) -> None:
        caller = self._caller

        def whole(_: Mapping[str, object]) -> bool:
            end = self._expected(OBJECTION, OTHER_ANSWER)
            return words(self._said("agent"))[-len(end) :] == end

        try:
            await utterance.done
            await caller.wait_event("call.transcript", whole, ANSWERED_S)
        except TimeoutError:
            raise MissedError(f"answered «{self._said('agent')}» to «{self._said('user')}»") from None
        self._heard_whole(words(QUESTION) + words(OBJECTION))

    async def during_a_restart(self) -> None:
        """Another stage waits out its second back-off."""
        caller, partner = self._caller, _PARTNERS[self._cell.stage]
        utterance = self._say(QUESTION)
        await caller.wait_event("call.speech.started")
        await caller.wait(0.4)
        for last in (False, True):
            struck_at = time.monotonic()
            strike(self._stage(partner), "kill")
            if not last:
                await self._restarted(partner, struck_at)
        self._strike()
        await self._answered(utterance, QUESTION, ANSWER)
        await self._back()


_SCRIPTS: Mapping[Moment, Callable[[Conversation], Awaitable[None]]] = {
    "idle": Conversation.idle,
    "mid-utterance": Conversation.mid_utterance,
    "mid-reply": Conversation.mid_reply,
    "barge-in": Conversation.barge_in,
    "during a restart": Conversation.during_a_restart,
}


@cache
def speech(text: str) -> Speech:
    """A caller's line, already encoded: that would hold the loop of all calls for 40 ms."""
    spoken = flite(text, "rms")
    _ = spoken.packets
    return spoken
