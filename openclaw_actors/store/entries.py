"""What is written: one small dataclass a kind of row. Entries given together are committed together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openclaw_actors.messages import Event


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event, and its deliveries to the webhooks."""

    event: Event


@dataclass(frozen=True, slots=True)
class CallEntry:
    """What is now known of a call: values by column of the calls table; the call is created when it is new."""

    call_id: str
    at: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """Another engine serves a stage of a call from now on."""

    call_id: str
    stage: str
    engine: str


@dataclass(frozen=True, slots=True)
class TurnEntry:
    """A turn whose answer has begun. ``latency``: milliseconds by part (``end_of_turn_ms`` … ``total_ms``)."""

    call_id: str
    turn: int
    time: str
    latency: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """A final line of the conversation."""

    call_id: str
    sequence: int
    time: str
    role: str
    text: str
    cut: bool = False
    turn: int = 0


@dataclass(frozen=True, slots=True)
class RestartEntry:
    """A stage came back. ``downtime_ms``: how long it was away."""

    call_id: str
    time: str
    stage: str
    reason: str
    incarnation: int
    downtime_ms: float


@dataclass(frozen=True, slots=True)
class RecordingEntry:
    """What is now known of a part of a call's recording: values by column of the recordings table."""

    call_id: str
    part: int
    at: str
    values: Mapping[str, Any] = field(default_factory=dict)


Entry = EventEntry | CallEntry | EngineEntry | TurnEntry | TranscriptEntry | RestartEntry | RecordingEntry
