"""What a host's HTTP API answers, as openclaw_actors/client.py gives it on; docs/api.md has each member's meaning."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

CallRecord = TypedDict(
    "CallRecord",
    {
        "id": str,
        "status": str,
        "media_state": str,
        "transport": str,
        "direction": str,
        "from": str,
        "to": str,
        "agent": str,
        "engines": dict[str, str],
        "started_at": str,
        "answered_at": str | None,
        "ended_at": str | None,
        "end_reason": str | None,
        "restarts": dict[str, int],
        "latency": dict[str, int],
        "metadata": dict[str, Any],
        "muted": bool,
        "held": bool,
        "recording": bool,
        "recordings": list[dict[str, Any]],
        "stages": dict[str, dict[str, Any]] | None,
    },
)
"""A call, live or past. Times are RFC 3339 in UTC; ``stages`` are a live call's only."""


class CallPage(TypedDict):
    """Calls, newest first; ``next`` is the cursor of the following page, None on the last."""

    calls: list[CallRecord]
    next: str | None


class TranscriptLine(TypedDict):
    """One final line of a conversation; ``cut``: the agent was interrupted in it."""

    role: Literal["user", "agent"]
    text: str
    time: str
    sequence: int
    cut: bool
    turn: int


class Transcript(TypedDict):
    """What was said on a call."""

    call_id: str
    lines: list[TranscriptLine]


class EventRecord(TypedDict):
    """An event; docs/events.md has the types and their data."""

    id: str
    type: str
    time: str
    call_id: str
    sequence: int
    data: dict[str, Any]


class Accepted(TypedDict):
    """A command was given to its call; what it comes to is an event."""

    command_id: str
    call_id: str
    action: str
    status: str


class JoinToken(TypedDict):
    """A token for one ``POST /webrtc/offer``."""

    token: str
    token_type: str
    expires_at: str


class Node(TypedDict):
    """A host: its name in a cluster, its live calls, how many there may be, whether it takes more, which engines."""

    name: str
    ready: bool
    started_at: str
    calls: int
    limit: int
    draining: bool
    engines: dict[str, Any]


VoicemailRecord = TypedDict(
    "VoicemailRecord",
    {
        "id": str,
        "state": str,
        "reason": str | None,
        "from": str,
        "to": str,
        "agent": str,
        "transport": str,
        "call_id": str | None,
        "received_at": str,
        "seconds": float,
        "language": str,
        "transcript": str | None,
        "answer": str | None,
        "callback_to": str | None,
        "callback_call_id": str | None,
        "attempts": int,
        "next_attempt_at": str | None,
    },
)
"""A message that a caller left."""


class VoicemailPage(TypedDict):
    """Some messages, newest first."""

    voicemails: list[VoicemailRecord]
    next: str | None
