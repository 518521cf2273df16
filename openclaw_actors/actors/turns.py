"""Turns: when the caller begins, may be done, and is done; beside the Stt, never behind it."""

from __future__ import annotations

from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.messages import SAMPLE_RATE, AudioIn, Interrupt, SpeechSustained, Stage
from openclaw_actors.turns.endpointing import Endpointer


class Turns(StageActor):
    """Runs the endpointer over the audio and tells the Call and the Stt what it finds."""

    stage: ClassVar[Stage] = "turns"

    def take_up(self) -> None:
        """Go on with the open utterance; the VAD is warmed on the ring's last second."""
        context = self.context
        self._endpointer = Endpointer(
            context.settings.turns, vad=context.engines.make_vad(), state=context.memory.endpoint
        )
        ring = context.memory.ring
        self._endpointer.warm(ring.read(ring.end - SAMPLE_RATE))

    def receive(self, message: Any) -> None:
        """Audio."""
        match message:
            case AudioIn():
                self._audio(message)
            case Interrupt():
                pass
            case _:
                super().receive(message)

    def _audio(self, frame: AudioIn) -> None:
        found = self._endpointer.push(frame.start, frame.pcm, frame.arrived_at)
        if found:
            self.context.memory.endpoint = self._endpointer.snapshot()
            stt = self.context.ports["stt"]
            for event in found:
                if not isinstance(event, SpeechSustained):
                    stt.tell(event)
                self.report(event)
        self.count_frame()
