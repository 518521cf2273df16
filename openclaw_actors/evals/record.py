"""What came of a script: the steps with their times, and which of the agent's lines belongs to which step. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openclaw_actors.messages import Line


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One event of the call, and when it came (monotonic seconds)."""

    at: float
    type: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class StepRecord:
    """One step as it was played; times are monotonic seconds, None for what did not come about."""

    began_at: float | None = None
    """The caller's first voiced sound, or the moment of what makes none."""
    spoken_at: float | None = None
    """The caller's last voiced sound: answers are timed from it."""
    voice_at: float | None = None
    """The agent's voice set in."""
    silent_at: float | None = None
    """The agent's last sound before it gave way to an interruption."""
    fault: str = ""
    """Why it could not be played as it stands in the script."""


@dataclass(slots=True)
class CallRecord:
    """The whole call."""

    steps: list[StepRecord]
    events: list[SeenEvent] = field(default_factory=list)
    call_id: str = ""
    setup_s: float = 0.0
    fault: str = ""
    """Why there was no call, or none to its end."""
    ended: str = ""
    """The reason of its end."""
    sounds: list[tuple[float, bytes]] = field(default_factory=list)
    """What was heard: when it came, and 48 kHz mono s16."""

    def step_at(self, at: float) -> int:
        """The number (from 0) of the step that was played at ``at``; -1 before the first."""
        begun = [number for number, step in enumerate(self.steps) if step.began_at is not None and step.began_at <= at]
        return begun[-1] if begun else -1

    def said_by_agent(self) -> list[list[Line]]:
        """The agent's lines, by step; behind the last step's, what was said before the first: a greeting.

        A line comes when it has been spoken, so that one that was cut comes in the step that cut it. A turn therefore
        belongs to the step in which it began to sound, where the host tells of that, and else to that of its first
        line, one step earlier if that one was cut.
        """
        sounded = {e.data.get("turn"): self.step_at(e.at) for e in self.events if e.type == "call.turn.completed"}
        lines: list[list[Line]] = [[] for _ in (*self.steps, "before the first")]
        for event in self._final_lines("agent"):
            turn, cut = event.data.get("turn"), bool(event.data.get("cut"))
            if turn not in sounded:
                step = self.step_at(event.at)
                sounded[turn] = max(-1, step - 1) if cut else step
            lines[sounded[turn]].append(Line("agent", str(event.data.get("text", "")), cut))
        return lines

    def understood(self) -> list[list[Line]]:
        """What the host understood of the caller, by step."""
        lines: list[list[Line]] = [[] for _ in (*self.steps, "before the first")]
        for event in self._final_lines("user"):
            lines[self.step_at(event.at)].append(Line("user", str(event.data.get("text", ""))))
        return lines

    def events_of(self, number: int) -> list[SeenEvent]:
        """The events of one step: from its beginning to that of the next."""
        return [event for event in self.events if self.step_at(event.at) == number]

    def sound_of(self, number: int) -> bytes:
        """What was heard in one step."""
        return b"".join(pcm for at, pcm in self.sounds if self.step_at(at) == number)

    def _final_lines(self, role: str) -> list[SeenEvent]:
        return [
            event
            for event in self.events
            if event.type == "call.transcript" and event.data.get("final", True) and event.data.get("role") == role
        ]


def text_of(lines: Sequence[Line]) -> str:
    """The lines as one text."""
    return " ".join(line.text for line in lines if line.text)
