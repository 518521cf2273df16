"""Where a turn's time goes: marks on the way from the caller's last voiced sample to our first packet."""

from __future__ import annotations

from dataclasses import dataclass

from openclaw_actors.observability import metrics

PARTS = ("end_of_turn", "stt_final", "agent_first_token", "tts_first_audio", "first_packet")
"""In the order of the road; work done ahead of the turn's end counts nothing."""


_NOBODY = -2
"""No utterance: -1 is a typed one."""


@dataclass(slots=True)
class TurnMarks:
    """The marks of the turn in progress, monotonic seconds; 0: not reached."""

    voiced_at: float = 0.0
    ended_at: float = 0.0
    heard_at: float = 0.0
    first_token_at: float = 0.0
    first_audio_at: float = 0.0

    def parts(self, voice_at: float) -> dict[str, float]:
        """Seconds by part, and ``total``. The parts follow each other and sum to the total."""
        marks = (self.ended_at, self.heard_at, self.first_token_at, self.first_audio_at, voice_at)
        reached = self.voiced_at
        seconds: dict[str, float] = {}
        for part, mark in zip(PARTS, marks, strict=True):
            until = max(reached, mark)
            seconds[part] = until - reached
            reached = until
        seconds["total"] = voice_at - self.voiced_at
        return seconds


class TurnClock:
    """Collects the marks; a speculative turn's early marks are kept until it is released."""

    def __init__(self) -> None:
        self._marks = TurnMarks()
        self._turn = 0
        self._over = (_NOBODY, 0.0, 0.0)
        self._heard = (_NOBODY, 0.0)
        self.totals: list[float] = []

    def asked(self, turn: int) -> None:
        """A reply was asked for in ``turn``."""
        self._turn = turn
        self._marks.first_token_at = self._marks.first_audio_at = 0.0

    def ended(self, utterance: int, voiced_at: float, at: float) -> None:
        """The caller's turn was found to be over."""
        self._over = (utterance, voiced_at, at)

    def forget(self) -> None:
        """Something else than our work stands between question and answer: a hold."""
        self._marks = TurnMarks()
        self._over, self._heard = (_NOBODY, 0.0, 0.0), (_NOBODY, 0.0)

    def heard(self, utterance: int, at: float) -> None:
        """A final transcript came."""
        self._heard = (utterance, at)

    def answering(self, utterance: int) -> None:
        """The words of ``utterance`` are answered from now on; those of any other, noise among them, do not count."""
        marks = self._marks
        marks.voiced_at = marks.ended_at = marks.heard_at = 0.0
        if self._over[0] == utterance:
            _, marks.voiced_at, marks.ended_at = self._over
        if self._heard[0] == utterance:
            marks.heard_at = self._heard[1]

    def progress(self, turn: int, mark: str, at: float) -> None:
        """``first_token`` or ``first_audio``; only the first of each counts."""
        if turn != self._turn:
            return
        if mark == "first_token" and not self._marks.first_token_at:
            self._marks.first_token_at = at
        elif mark == "first_audio" and not self._marks.first_audio_at:
            self._marks.first_audio_at = at

    def voice(self, turn: int, at: float) -> dict[str, int] | None:
        """Our voice began: observe the parts; milliseconds for the event, or None for a turn without a question."""
        marks = self._marks
        if turn != self._turn or not marks.voiced_at:
            return None
        seconds = marks.parts(at)
        self._marks = TurnMarks()
        metrics.turn_latency_seconds.observe(seconds["total"])
        for part in PARTS:
            metrics.stage_latency_seconds.labels(part=part).observe(seconds[part])
        self.totals.append(seconds["total"])
        return {f"{part}_ms": round(value * 1000) for part, value in seconds.items()}

    def describe(self) -> dict[str, int]:
        """Percentiles of the call so far, in milliseconds."""
        if not self.totals:
            return {}
        ordered = sorted(self.totals)
        last = len(ordered) - 1
        return {f"turn_p{p}_ms": round(ordered[round(last * p / 100)] * 1000) for p in (50, 95)}
