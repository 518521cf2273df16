"""Where a turn's time goes: marks on the way from the caller's last voiced sample to our first packet."""

from __future__ import annotations

import time
from dataclasses import dataclass

from openclaw_actors.observability import metrics
from openclaw_actors.observability.traces import Mark, Moment

PARTS = ("end_of_turn", "stt_final", "agent_first_token", "tts_first_audio", "first_packet")
"""In the order of the road; work done ahead of the turn's end counts nothing."""


_WINDOW_S = 0.032
"""Silence is looked at window by window (turns/vad.py)."""

_NOBODY = -2
"""No utterance: -1 is a typed one."""


@dataclass(slots=True)
class TurnMarks:
    """The marks of the turn in progress, monotonic seconds; 0: not reached."""

    voiced_at: float = 0.0
    likely_at: float = 0.0
    due_at: float = 0.0
    """When the silence was long enough."""
    ended_at: float = 0.0
    """When the words that it waited for had come, too."""
    heard_at: float = 0.0
    asked_at: float = 0.0
    first_token_at: float = 0.0
    first_clause_at: float = 0.0
    first_audio_at: float = 0.0

    def parts(self, voice_at: float) -> dict[str, float]:
        """Seconds by part, and ``total``. The parts follow each other and sum to the total."""
        marks = (self.due_at, self.heard_at, self.first_token_at, self.first_audio_at, voice_at)
        reached = self.voiced_at
        seconds: dict[str, float] = {}
        for part, mark in zip(PARTS, marks, strict=True):
            until = max(reached, mark)
            seconds[part] = until - reached
            reached = until
        seconds["total"] = voice_at - self.voiced_at
        return seconds

    def since_voice(self, voice_at: float) -> dict[Mark, int]:
        """Each mark that was reached, in milliseconds from the caller's last voice."""
        marks: dict[Mark, float] = {
            "likely_end": self.likely_at,
            "heard": self.heard_at,
            "asked": self.asked_at,
            "first_token": self.first_token_at,
            "first_clause": self.first_clause_at,
            "first_audio": self.first_audio_at,
            "end_of_turn": self.ended_at,
            "first_packet": voice_at,
        }
        return {mark: round((at - self.voiced_at) * 1000) for mark, at in marks.items() if at}


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """Where one turn's time went, in milliseconds: parts that follow each other, and marks that overlap."""

    latency: dict[str, int]
    marks: dict[Mark, int]
    voiced_at: float
    """The caller's last voice, monotonic seconds."""

    def moments(self) -> dict[Moment, float]:
        """When the turn had come how far, for its trace (monotonic seconds)."""
        moments: dict[Moment, float] = {"voiced": self.voiced_at}
        return moments | {mark: self.voiced_at + ms / 1000 for mark, ms in self.marks.items()}


class TurnClock:
    """Collects the marks; a speculative turn's early marks are kept until it is released."""

    def __init__(self) -> None:
        self._marks = TurnMarks()
        self._turn = 0
        self._likely = self._heard = (_NOBODY, 0.0)
        self._over = (_NOBODY, 0.0, 0.0, 0.0)
        """Utterance, arrival of its last voice, when the silence was long enough, when it was ended."""
        self.totals: list[float] = []

    def asked(self, turn: int) -> None:
        """A reply was asked for in ``turn``."""
        self._turn = turn
        self._marks.asked_at = time.monotonic()
        self._marks.first_token_at = self._marks.first_clause_at = self._marks.first_audio_at = 0.0

    def likely_end(self, utterance: int) -> None:
        """The caller may have finished."""
        self._likely = (utterance, time.monotonic())

    def ended(self, utterance: int, voiced_at: float, wanted_s: float) -> None:
        """The caller's turn is over now; ``wanted_s`` of silence would have done.

        Beyond that the end waited for the words, and that is the recogniser's time.
        """
        now = time.monotonic()
        self._over = (utterance, voiced_at, max(voiced_at, min(now, voiced_at + wanted_s + _WINDOW_S)), now)

    def forget(self) -> None:
        """Something else than our work stands between question and answer: a hold."""
        self._marks = TurnMarks()
        self._over, self._heard = (_NOBODY, 0.0, 0.0, 0.0), (_NOBODY, 0.0)

    def heard(self, utterance: int) -> None:
        """A final transcript has come."""
        self._heard = (utterance, time.monotonic())

    def answering(self, utterance: int) -> None:
        """The words of ``utterance`` are answered from now on; those of any other, noise among them, do not count."""
        marks = self._marks
        marks.voiced_at = marks.likely_at = marks.due_at = marks.ended_at = marks.heard_at = 0.0
        if self._over[0] == utterance:
            _, marks.voiced_at, marks.due_at, marks.ended_at = self._over
        if self._likely[0] == utterance:
            marks.likely_at = self._likely[1]
        if self._heard[0] == utterance:
            marks.heard_at = self._heard[1]

    def progress(self, turn: int, mark: str, at: float) -> None:
        """``first_token``, ``first_clause`` or ``first_audio``; only the first of each counts."""
        if turn != self._turn:
            return
        if mark == "first_token" and not self._marks.first_token_at:
            self._marks.first_token_at = at
        elif mark == "first_clause" and not self._marks.first_clause_at:
            self._marks.first_clause_at = at
        elif mark == "first_audio" and not self._marks.first_audio_at:
            self._marks.first_audio_at = at

    def voice(self, turn: int, at: float) -> TurnTimes | None:
        """Our voice began: observe the parts; None for a turn without a question."""
        marks = self._marks
        if turn != self._turn or not marks.voiced_at:
            return None
        seconds = marks.parts(at)
        self._marks = TurnMarks()
        metrics.turn_latency_seconds.observe(seconds["total"])
        for part in PARTS:
            metrics.stage_latency_seconds.labels(part=part).observe(seconds[part])
        self.totals.append(seconds["total"])
        latency = {f"{part}_ms": round(value * 1000) for part, value in seconds.items()}
        return TurnTimes(latency, marks.since_voice(at), marks.voiced_at)

    def describe(self) -> dict[str, int]:
        """Percentiles of the call so far, in milliseconds."""
        if not self.totals:
            return {}
        ordered = sorted(self.totals)
        last = len(ordered) - 1
        return {f"turn_p{p}_ms": round(ordered[round(last * p / 100)] * 1000) for p in (50, 95)}
