"""Course: how far a call has come, from being asked for to its end. Each step is told once, and none is taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_actors.actors.events import now_rfc3339
from openclaw_actors.messages import NO_CARRIAGE, NO_PROFILE, CallProfile, Carriage, Line
from openclaw_actors.transports.peer import Peer


@dataclass(frozen=True, slots=True)
class CallSpec:
    """Who calls, on what."""

    call_id: str
    peer: Peer
    direction: str
    caller: str
    metadata: Mapping[str, Any]
    history: tuple[Line, ...] = ()
    resumed_from: str = ""
    callee: str = ""
    profile: CallProfile = NO_PROFILE
    carriage: Carriage = NO_CARRIAGE
    recorded: bool = False
    """The call whose conversation goes on here was being recorded."""

    @property
    def party(self) -> str:
        """Who is at the far end: what an agent remembers of a call that we placed, it remembers of who was called."""
        return self.callee if self.direction == "outbound" and self.callee else self.caller


class Course:
    """One call's. It belongs to the Call.

    What a carrier tells may come late, early or twice: a step that was taken, or passed, is not taken again.

    Args:
        spec: the call.
        engines: engine ids by kind, with which it begins.
        publish: tells an event.
    """

    def __init__(self, spec: CallSpec, engines: Mapping[str, str], publish: Callable[..., None]) -> None:
        self._spec = spec
        self._engines = engines
        self._publish = publish
        self._is_dialled = spec.carriage.ring_timeout_s > 0
        self._created_at = time.monotonic()
        self._carrier_call_id = spec.carriage.call_id
        self._started_at = now_rfc3339()
        self._answered_at = ""
        self._ended_at = ""
        self.answered_at = float("inf")
        """When it was answered, monotonic seconds."""
        self.status = "queued" if self._is_dialled else "in-progress"
        self.end_reason = ""

    @property
    def is_answered(self) -> bool:
        """Somebody is there, or was."""
        return bool(self._answered_at)

    @property
    def is_unanswered(self) -> bool:
        """It was dialled, and nobody has answered yet."""
        return self._is_dialled and not self._answered_at

    @property
    def seconds(self) -> float:
        """How long it has been up."""
        return time.monotonic() - self._created_at

    def setup_s(self, media_at: float) -> float:
        """How long its first sound, at ``media_at``, has taken: a phone that rings is not being set up."""
        return media_at - (self.answered_at if self._is_dialled else self._created_at)

    @property
    def rings_too_long(self) -> bool:
        """Nobody has answered in time, and the carrier has not said so."""
        return self.is_unanswered and self.seconds > self._spec.carriage.ring_timeout_s

    # --- steps ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The call is there: to be dialled, or already on its way."""
        spec, is_queued = self._spec, self.status == "queued"
        self._publish(
            "call.queued" if is_queued else "call.initiated",
            transport=spec.peer.transport,
            direction=spec.direction,
            engines=dict(self._engines),
            metadata=dict(spec.metadata),
            resumed_from=spec.resumed_from,
            carrier_call_id=self._carrier_call_id,
            **{"from": spec.caller, "to": spec.callee},
        )

    def dialled(self, carrier_call_id: str) -> None:
        """The carrier has taken it."""
        if not self._carrier_call_id:
            self._carrier_call_id = carrier_call_id
            self._initiated()

    def _initiated(self) -> None:
        if self.status == "queued":
            self.status = "initiated"
            self.begin()

    def ringing(self) -> None:
        """The far end's phone rings."""
        self._initiated()
        if self.is_unanswered and self.status != "ringing":
            self.status = "ringing"
            self._publish("call.ringing")

    def answered(self) -> bool:
        """The connection stands; whether it does so for the first time."""
        if self._answered_at:
            return False
        self._initiated()
        self.status = "in-progress"
        self._answered_at, self.answered_at = now_rfc3339(), time.monotonic()
        self._publish("call.answered")
        return True

    def end(self, status: str, reason: str) -> None:
        """It is over, or is being ended."""
        self.status, self.end_reason = status, reason

    def tell_end(self) -> bool:
        """Nothing comes after that; whether it is told for the first time."""
        if self._ended_at:
            return False
        self._ended_at = now_rfc3339()
        duration_ms = round(self.seconds * 1000)
        self._publish("call.ended", status=self.status, reason=self.end_reason, duration_ms=duration_ms)
        return True

    def describe(self) -> dict[str, Any]:
        """Its part of the call's record."""
        spec = self._spec
        return {
            "id": spec.call_id,
            "status": self.status,
            "direction": spec.direction,
            "from": spec.caller,
            "to": spec.callee,
            "agent": spec.profile.agent,
            "started_at": self._started_at,
            "answered_at": self._answered_at,
            "ended_at": self._ended_at,
            "end_reason": self.end_reason,
            "metadata": dict(spec.metadata),
            "carrier_call_id": self._carrier_call_id,
            "resumed_from": spec.resumed_from,
        }
