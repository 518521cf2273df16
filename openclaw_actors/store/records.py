"""What the store gives back: records, pages of them, deliveries that are due, and answers kept for a repeated request.

All times are RFC 3339 in UTC with milliseconds, as events write them; empty where it has not come to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from openclaw_actors.messages import Event

Item = TypeVar("Item")

FINAL_STATUSES = ("completed", "busy", "no-answer", "failed", "canceled")
"""A call in one of these is over and stays so."""


RecordingState = Literal["recording", "ready", "failed", "expired"]


@dataclass(frozen=True, slots=True)
class RecordingRecord:
    """One part of what was recorded of a call: from one start to one stop.

    ``file`` is its name in the folder of recordings; ``started_at`` is when its first sample was heard. The states:
    ``failed``: there is no file, or none that can be played; ``expired``: the file was kept for as long as it is to be.
    """

    call_id: str
    part: int
    file: str = ""
    format: str = ""
    state: str = "recording"
    started_at: str = ""
    duration_ms: int = 0
    bytes: int = 0
    end_reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The recording as the API shows it."""
        return {
            "part": self.part,
            "state": self.state,
            "format": self.format,
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
            "bytes": self.bytes,
            "end_reason": self.end_reason,
        }


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, as far as it is known.

    ``latency`` and ``restarts`` are counted from the turns and restarts on record: percentiles in milliseconds, and
    how often each stage came back.
    """

    id: str
    status: str = "in-progress"
    media_state: str = "new"
    transport: str = ""
    direction: str = ""
    caller: str = ""
    callee: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    started_at: str = ""
    answered_at: str = ""
    ended_at: str = ""
    end_reason: str = ""
    duration_ms: int = 0
    resumed_from: str = ""
    carrier_call_id: str = ""
    restarts: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    recordings: tuple[RecordingRecord, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether the call is over."""
        return self.status in FINAL_STATUSES

    def as_dict(self) -> dict[str, Any]:
        """The record as the API shows it: JSON-ready."""
        return {
            "id": self.id,
            "status": self.status,
            "media_state": self.media_state,
            "transport": self.transport,
            "direction": self.direction,
            "from": self.caller,
            "to": self.callee,
            "agent": self.engines.get("agent", ""),
            "engines": dict(self.engines),
            "started_at": self.started_at,
            "answered_at": self.answered_at,
            "ended_at": self.ended_at,
            "end_reason": self.end_reason,
            "duration_ms": self.duration_ms,
            "resumed_from": self.resumed_from,
            "carrier_call_id": self.carrier_call_id,
            "restarts": dict(self.restarts),
            "latency": dict(self.latency),
            "metadata": dict(self.metadata),
            "recordings": [recording.as_dict() for recording in self.recordings],
        }


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call that a host left behind when it died; its carrier may still hold it."""

    call_id: str
    transport: str
    carrier_call_id: str
    direction: str = "inbound"
    ended_at: str = ""
    """When it was last heard of."""
    event: Event | None = None
    """Its end, as it was put on record."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """When a call was dialled or came in, and how long it was up, in seconds; ``ended_at`` in seconds of the epoch."""

    direction: str
    began_at: float
    ended_at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls: newest first, older than ``cursor`` (the ``next`` of the page before); empty filters match all.

    ``text`` is what store/search.py looks for.
    """

    status: str = ""
    transport: str = ""
    direction: str = ""
    cursor: str = ""
    limit: int = 50
    text: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of a list; ``next`` is the cursor of the rest, empty when this was the last."""

    items: tuple[Item, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One final line of a conversation.

    ``cut``: the agent was interrupted in it. ``turn`` is the agent's turn, 0 for a line of the caller's.
    """

    role: str
    text: str
    time: str
    sequence: int
    cut: bool = False
    turn: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The line as the API shows it."""
        return {
            "role": self.role,
            "text": self.text,
            "time": self.time,
            "sequence": self.sequence,
            "cut": self.cut,
            "turn": self.turn,
        }


@dataclass(frozen=True, slots=True)
class VoicemailRecord:
    """A message that somebody left; what its states are is drawn in telephony/voicemail/states.py.

    ``seconds`` and ``bytes`` are of its sound; ``next_at`` is in seconds of the epoch, 0 for now.
    """

    id: str
    state: str
    source: str
    received_at: str
    reason: str = ""
    caller: str = ""
    callee: str = ""
    agent: str = ""
    language: str = ""
    transport: str = ""
    call_id: str = ""
    carrier_call_id: str = ""
    recording_id: str = ""
    seconds: float = 0.0
    bytes: int = 0
    transcript: str = ""
    answer: str = ""
    tries: int = 0
    next_at: float = 0.0
    callback_to: str = ""
    attempts: int = 0
    callback_call_id: str = ""
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class VoicemailQuery:
    """Which messages: newest first, older than ``cursor``; empty filters match all."""

    state: str = ""
    caller: str = ""
    cursor: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class VoicemailUse:
    """What is kept: messages, their bytes, and how many came from one caller since some time."""

    messages: int
    bytes: int
    of_caller: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook.

    ``number`` names it; ``body`` is what is sent, the same at every attempt; ``attempts`` have failed so far, the
    last for ``error``; ``next_at`` and ``created_at`` are seconds since the epoch.
    """

    number: int
    event_id: str
    event_type: str
    call_id: str
    url: str
    body: str
    attempts: int
    next_at: float
    created_at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Fresh:
    """This request was not seen before: do it, then ``finish_command`` (or ``forget_command`` when it was refused)."""


@dataclass(frozen=True, slots=True)
class Replay:
    """This request was done: answer it with this HTTP status and body once more."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """The same request is being done right now (409)."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key belongs to a request with another payload (422)."""


CommandState = Fresh | Replay | InFlight | Conflict
