"""How things stand between caller and agent: what the dialogue keeps, and what it needs of the voice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from openclaw_actors.messages import Line, Spoken

TurnKind = Literal["reply", "line", "sound", "keys", "notice", "last"]
"""``notice``: what the caller must hear to its end. ``last``: the last words of a call, which want no answer."""


class Voice(Protocol):
    """The playout, as the dialogue needs it."""

    def cut(self, fence: int) -> list[Spoken]:
        """Silence everything below ``fence`` now; return what was spoken and not yet told to the dialogue.

        It is synchronous because what the caller heard of us comes before, in the history, what they said then.
        """

    def is_asking(self, turn: int) -> bool:
        """Whether what the turn says ends in a question."""

    def barely_heard(self, turn: int) -> bool:
        """Whether the turn's voice had only just begun when the caller began to speak over it."""


@dataclass(slots=True)
class Turn:
    """One attempt of ours to speak."""

    number: int
    kind: TurnKind
    released: bool
    text: str
    """The question it answers, or the line it speaks."""
    history: tuple[Line, ...] = ()
    """What was said before the question."""
    guess: str = ""
    """The words of the utterance that an early question took to be its last."""
    paused: bool = False
    voiced: bool = False
    lines: int = 0
    """Of it, in the history."""
    attempt: int = 1


@dataclass(slots=True)
class Utterance:
    """One stretch of the caller."""

    began: int
    rev: int = 0
    phase: Literal["speaking", "likely_over", "over"] = "speaking"
    heard: dict[int, str] = field(default_factory=dict)
    speculations: int = 0
    sustained: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What shapes the decisions; the last two change with the agent's engine."""

    barge_in: bool = True
    resume_false_interruption: bool = True
    preemptive: bool = True
    speculative: bool = True
    repeatable: bool = True
    """False: what an engine was given it is not given again, and a question that was cut off is not asked anew."""
