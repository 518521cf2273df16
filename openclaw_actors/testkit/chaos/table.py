"""The table of what may go wrong: stage x fault x moment, and why some cells of it have no meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from openclaw_actors.messages import START_ORDER, Stage

Fault = Literal[
    "kill", "raise", "end", "deaf", "hang", "slow", "garbage", "half answer", "closed", "refused", "killed worker"
]
Moment = Literal["idle", "mid-utterance", "mid-reply", "barge-in", "during a restart"]

FAULTS: dict[Fault, str] = {
    "kill": "the stage ends at once, with an error of no known kind, whatever it is at",
    "raise": "the handler of the next message raises: that message is poison",
    "end": "the stage merely ends, with no error at all",
    "deaf": "the stage reads its mail no more, as if a task in it never ended; only the pings tell",
    "hang": "the engine never answers",
    "slow": "the engine answers 0.7 s late, within its deadline: nothing may restart",
    "garbage": "the engine answers nonsense",
    "half answer": "the engine's connection is cut in the middle of its answer",
    "closed": "the engine closes the connection instead of an answer",
    "refused": "the engine refuses the key (401)",
    "killed worker": "the process that computes for the engine is killed (SIGKILL)",
}

MOMENTS: dict[Moment, str] = {
    "idle": "nobody speaks; a question follows",
    "mid-utterance": "0.6 s after the caller's first word, or when what they said is next worked on",
    "mid-reply": "0.6 s after the agent's first word; another question follows",
    "barge-in": "the caller has begun to speak over the agent",
    "during a restart": "as mid-utterance, while another stage waits for its second restart",
}

OF_STAGES: tuple[Fault, ...] = ("kill", "raise", "end", "deaf")
OF_ENGINES: tuple[Fault, ...] = tuple(fault for fault in get_args(Fault) if fault not in OF_STAGES)

POISON: dict[Stage, tuple[str, ...]] = {
    "transport": ("AudioIn", "Speech", "Interrupt"),
    "turns": ("AudioIn", "Interrupt"),
    "stt": ("SpeechStarted", "LikelyEnd", "TurnEnded", "Interrupt"),
    "agent": ("Ask", "Interrupt"),
    "tts": ("Say", "Credit", "Interrupt"),
}
"""Every kind of mail that a stage handles: each is once the poison. But for two, which need a caller who hesitates or
coughs to order: ``Resumed`` is in the property tests of the turn rules, ``ResumePlayout`` in
tests/actors/test_tree.py."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that goes wrong. ``message``: the kind of mail that is the poison; empty: whatever comes next."""

    stage: Stage
    fault: Fault
    moment: Moment
    message: str = ""

    @property
    def name(self) -> str:
        """Such as ``stt / hang / barge-in``."""
        fault = f"raise on {self.message}" if self.message else self.fault
        return f"{self.stage} / {fault} / {self.moment}"


def why_meaningless(stage: Stage, fault: Fault, moment: Moment) -> str:
    """Why there is no such cell; empty: there is."""
    match stage, fault, moment:
        case _, ("kill" | "raise" | "end" | "deaf"), _:
            why = ""
        case (("transport" | "turns"), _, _):
            why = "nothing outside the process serves this stage"
        case "agent", "killed worker", _:
            why = "no agent's engine computes here"
        case "stt", "half answer", _:
            why = "a transcript comes whole: cut off, it is the closed connection"
        case _, _, "idle":
            why = "an engine that is asked nothing can't fail"
        case "stt", _, "mid-reply":
            why = "the caller is silent, so the recogniser is asked nothing"
        case "agent", ("closed" | "refused"), "mid-reply":
            why = "an answer that has begun was not refused; cut off, it is the half answer"
        case _:
            why = ""
    return why


def matrix() -> list[Cell]:
    """All cells with a meaning."""
    return [
        Cell(stage, fault, moment)
        for stage, fault, moment in product(START_ORDER, FAULTS, MOMENTS)
        if not why_meaningless(stage, fault, moment)
    ]


def poison() -> list[Cell]:
    """Each kind of mail as the poison, at the moment at which it comes."""
    moments: dict[str, Moment] = {"Interrupt": "barge-in", "Credit": "mid-reply"}
    return [
        Cell(stage, "raise", moments.get(message, "mid-utterance"), message)
        for stage, messages in POISON.items()
        for message in messages
    ]


def meaningless() -> Iterator[tuple[Stage, Fault, str, list[Moment]]]:
    """What the table leaves out, with the reason: stage, fault, why, moments."""
    for stage, fault in product(START_ORDER, FAULTS):
        reasons: dict[str, list[Moment]] = {}
        for moment in MOMENTS:
            if why := why_meaningless(stage, fault, moment):
                reasons.setdefault(why, []).append(moment)
        for why, moments in reasons.items():
            yield stage, fault, why, moments


SHORT: tuple[Cell, ...] = (
    Cell("transport", "kill", "mid-reply"),
    Cell("turns", "deaf", "mid-utterance"),
    Cell("stt", "raise", "barge-in", "TurnEnded"),
    Cell("agent", "half answer", "mid-reply"),
    Cell("tts", "hang", "mid-reply"),
    Cell("tts", "killed worker", "during a restart"),
)
"""One of each kind, and each stage: what every run of the tests has time for."""
