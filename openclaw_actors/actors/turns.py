"""Turns: when the caller begins, may be done, and is done; beside the Stt, never behind it."""

from __future__ import annotations

from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.engines.smart_turn import LONGEST_S, SmartTurn
from openclaw_actors.messages import (
    SAMPLE_RATE,
    AudioIn,
    Completeness,
    CutOff,
    Interrupt,
    LikelyEnd,
    SpeechSustained,
    Stage,
)
from openclaw_actors.turns.echo import EchoGuardedVad
from openclaw_actors.turns.endpointing import Endpointer, TurnEvent


class Turns(StageActor):
    """Runs the endpointer over the audio and tells the Call and the Stt what it finds."""

    stage: ClassVar[Stage] = "turns"

    def take_up(self) -> None:
        """Go on with the open utterance; the VAD is warmed on the ring's last second."""
        context = self.context
        settings = context.settings.turns
        vad = context.engines.make_vad()
        if settings.echo_guard:
            vad = EchoGuardedVad(vad, context.playout.sent)
        self._endpointer = Endpointer(settings, vad=vad, state=context.memory.endpoint)
        ring = context.memory.ring
        self._endpointer.warm(ring.read(ring.end - SAMPLE_RATE))

    def receive(self, message: Any) -> None:
        """Audio, and what the Call makes of the words in it."""
        match message:
            case AudioIn():
                self._tell(self._endpointer.push(message.start, message.pcm, message.arrived_at))
                self.count(message)
            case Completeness(utterance, rev, score):
                self._tell(self._endpointer.weigh(utterance, rev, words=score))
            case CutOff(utterance):
                self._endpointer.cut_off(utterance)
            case Interrupt():
                pass
            case _:
                super().receive(message)

    def _tell(self, found: list[TurnEvent]) -> None:
        if found:
            self.context.memory.endpoint = self._endpointer.snapshot()
            stt = self.context.ports["stt"]
            for event in found:
                if not isinstance(event, SpeechSustained):
                    stt.tell(event)
                if isinstance(event, LikelyEnd) and self.context.smart_turn is not None:
                    self.spawn(self._listen(event, self.context.smart_turn))
                self.report(event)

    async def _listen(self, likely: LikelyEnd, model: SmartTurn) -> None:
        """Let the semantic model hear the turn so far."""
        ring = self.context.memory.ring
        finished = await model.judge(ring.read(max(likely.utterance, ring.end - round(LONGEST_S * SAMPLE_RATE))))
        if finished is not None:
            self._tell(self._endpointer.weigh(likely.utterance, likely.rev, sound=finished))
