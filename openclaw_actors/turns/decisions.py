"""What the dialogue decides: each is carried out by the Call (actors/floor.py), in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from openclaw_actors.messages import Line, PlayAudio, SendDtmf


@dataclass(frozen=True, slots=True)
class AskAgent:
    """Ask for a reply to ``text`` in ``turn``; ``history`` ends before it; ``unfinished`` is already on its way."""

    turn: int
    text: str
    history: tuple[Line, ...]
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class Excuse:
    """End a reply that broke off with ``text``, behind what is already on its way."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak ``text``, a line of our own, in ``turn``."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Speak ``text``, a notice, in ``turn``; what hangs on it begins when it has been heard to its end."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play the sound, or send the keys, in ``turn``."""

    turn: int
    sound: PlayAudio | SendDtmf


@dataclass(frozen=True, slots=True)
class Release:
    """The turn may be heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class PauseVoice:
    """Be silent, but keep the turn."""

    turn: int


@dataclass(frozen=True, slots=True)
class ResumeVoice:
    """Go on where the voice stopped."""

    turn: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Everything below ``fence`` is over. ``barge_in``: the caller spoke over it.

    ``premature``: it was a reply to a caller who had not finished, and goes on.
    """

    fence: int
    barge_in: bool
    premature: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the caller's is final."""

    text: str
    utterance: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The utterance needs no more recognition."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Speculated:
    """An early question turned out to be ``used`` or ``wasted``."""

    result: Literal["used", "wasted"]


@dataclass(frozen=True, slots=True)
class Overfull:
    """Too many lines wait already: this one is refused."""


Decision = (
    AskAgent
    | Excuse
    | Overfull
    | Speak
    | Notify
    | Play
    | Release
    | PauseVoice
    | ResumeVoice
    | Cut
    | Said
    | Closed
    | Speculated
)
