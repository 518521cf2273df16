"""Scripts and calls that were not played: what the pure parts are held against."""

from __future__ import annotations

from openclaw_actors.evals.record import CallRecord, SeenEvent, StepRecord
from openclaw_actors.evals.scripts import Script


def script(*steps: dict, **rest) -> Script:
    return Script.model_validate({"name": "a script", "steps": steps, **rest}, strict=False)


def call(*steps: StepRecord, events: tuple[SeenEvent, ...] = (), **rest) -> CallRecord:
    return CallRecord(list(steps), list(events), call_id="call_1", **rest)


def agent(at: float, text: str, turn: int = 1, *, cut: bool = False) -> SeenEvent:
    data = {"role": "agent", "text": text, "final": True, "turn": turn, "cut": cut}
    return SeenEvent(at, "call.transcript", data)


def user(at: float, text: str, *, final: bool = True) -> SeenEvent:
    return SeenEvent(at, "call.transcript", {"role": "user", "text": text, "final": final})


def sounded(at: float, turn: int) -> SeenEvent:
    return SeenEvent(at, "call.turn.completed", {"turn": turn, "latency": {}})
