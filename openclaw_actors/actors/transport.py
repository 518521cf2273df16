"""Transport: sound in, sound out, 20 ms at a time.

The peer and the playout are the Call's; this stage may die without either noticing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.media.codecs import PhraseEncoder
from openclaw_actors.messages import AudioIn, Interrupt, ResumePlayout, Speech, Stage


class Transport(StageActor):
    """Writes the ring and tells the Turns; queues Speech for the playout."""

    stage: ClassVar[Stage] = "transport"

    def take_up(self) -> None:
        """End the pause that the incarnation before should have ended."""
        owed = self.context.memory.resume_owed
        if owed is not None:
            self._resume(owed)

    def receive(self, message: Any) -> None:
        """Audio both ways, and the way back from a pause."""
        match message:
            case AudioIn():
                self._audio(message)
            case Speech():
                if not self.context.memory.fence.stale(message.turn):
                    self.context.playout.add(message)
            case ResumePlayout():
                self._resume(message)
            case Interrupt():
                pass  # the Call has cut the playout itself, within the packet
            case _:
                super().receive(message)

    def salvage(self, message: Any) -> list[Any]:
        """The end of a phrase: without it the turn would never be over. Its sound is lost."""
        if isinstance(message, Speech) and message.ends_phrase and message.packets:
            return [replace(message, packets=(), pcm=b"")]
        return []

    def _audio(self, frame: AudioIn) -> None:
        memory = self.context.memory
        if memory.deaf:
            frame = AudioIn(frame.start, bytes(len(frame.pcm)), frame.arrived_at)
        memory.ring.write(frame)
        self.context.ports["turns"].tell(frame)
        self.count(frame)

    def _resume(self, message: ResumePlayout) -> None:
        """The voice goes on, in a new encode."""
        playout, memory = self.context.playout, self.context.memory
        if playout.pause_number != message.pause:
            return
        playout.renew(message.turn, PhraseEncoder(playout.codec, playout.codec.pcm_rate))
        playout.resume(message.pause)
        if memory.resume_owed == message:
            memory.resume_owed = None
