"""The pure parts of supervision: when to restart, when to give up, and addresses that outlive an incarnation.

As OTP's supervisor counts restarts within a period (supervisor.erl, add_restart), but with back-off, which OTP has
not: a provider that is down for a second should not use up the intensity in a millisecond.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pykka

from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Supervision


class Intensity:
    """At most ``limit`` events within ``period`` seconds. Nothing clears the window early."""

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._times: deque[float] = deque()

    def exceeded_by(self, now: float) -> bool:
        """Count an event at ``now``; whether that was one too many."""
        while self._times and self._times[0] < now - self._period:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) > self._limit

    def forget(self) -> None:
        """Begin a new count: what failed has been replaced."""
        self._times.clear()


@dataclass(frozen=True, slots=True)
class RestartAfter:
    """Start the next incarnation after ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Too many restarts: escalate."""


class RestartPolicy:
    """Decides for one stage of one call. ``call`` is the intensity that all its stages share."""

    def __init__(self, settings: Supervision, call: Intensity, uniform: Callable[[], float]) -> None:
        self._settings = settings
        self._call = call
        self._stage = Intensity(settings.stage_restarts, settings.stage_period_s)
        self._uniform = uniform
        self._step = 0

    def down(self, now: float) -> RestartAfter | GiveUp:
        """The stage went down at ``now`` (seconds, monotonic)."""
        over_stage = self._stage.exceeded_by(now)
        over_call = self._call.exceeded_by(now)
        if over_stage or over_call:
            return GiveUp()
        steps = self._settings.backoff_s
        base = steps[min(self._step, len(steps) - 1)] if steps else 0.0
        self._step += 1
        return RestartAfter(base * (1 + self._settings.backoff_jitter * self._uniform()))

    def useful(self) -> None:
        """The stage has done real work: the next back-off starts anew; the intensity does not."""
        self._step = 0

    def replaced(self) -> None:
        """Another engine serves the stage from now on: its own count begins anew, the call's does not."""
        self._stage.forget()
        self._step = 0


def make_uniform(seed: int | None = None) -> Callable[[], float]:
    """A source of jitter in 0..1."""
    return random.Random(seed).random  # noqa: S311 - spreads restarts, guards nothing


class Port:
    """The address of a stage that outlives its incarnations.

    Mail for a stage that is down is parked, bounded, and flushed to the next incarnation, oldest first, less what
    has gone stale by then. What a dead incarnation had not read is handed back in front.

    Args:
        stage: a metric label.
        capacity: parked messages at most; the oldest is dropped and counted as a dead letter.
        keep: whether a message is worth parking, asked when it is parked and again when it is flushed.
    """

    def __init__(self, stage: str, capacity: int, keep: Callable[[Any], bool]) -> None:
        self.stage = stage
        self.ref: pykka.ActorRef[Any] | None = None
        self._keep = keep
        self._parked: deque[Any] = deque()
        self._capacity = capacity

    def tell(self, message: Any) -> None:
        """Send, or park while the stage is down."""
        if self.ref is not None:
            try:
                self.ref.tell(message)
            except pykka.ActorDeadError:
                self.ref = None
            else:
                return
        self._park(message)

    def attach(self, ref: pykka.ActorRef[Any]) -> None:
        """A new incarnation: it gets the parked mail first."""
        self.ref = ref
        parked, self._parked = self._parked, deque()
        for message in parked:
            if self._keep(message):
                ref.tell(message)
            else:
                metrics.stale_messages_total.labels(stage=self.stage).inc()

    def detach(self, ref: pykka.ActorRef[Any], unread: list[Any]) -> None:
        """The incarnation behind ``ref`` has ended; its unread mail goes before what is parked."""
        if self.ref is ref:
            self.ref = None
        newer, self._parked = self._parked, deque()
        for message in (*unread, *newer):
            self._park(message)

    def close(self) -> None:
        """No incarnation will follow."""
        self.ref = None
        self._capacity = 0
        self._parked.clear()

    def _park(self, message: Any) -> None:
        if self._capacity == 0 or not self._keep(message):
            return
        if len(self._parked) >= self._capacity:
            lost = self._parked.popleft()
            dead_letter(self.stage, lost)
        self._parked.append(message)


def dead_letter(stage: str, message: Any) -> None:
    """Count a message that nobody will handle."""
    metrics.dead_letters_total.labels(stage=stage, message=type(message).__name__).inc()
