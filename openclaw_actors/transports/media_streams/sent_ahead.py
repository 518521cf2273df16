"""How far the far end has played what lies in its buffer, as marks tell and the clock goes on from them; pure.

A mark that is echoed says that all before it has been played. Between two of them sound is played as time goes by, so
the estimate follows the clock from the last echo: were only echoes believed, a carrier further away than one mark's
spacing would run dry between them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from openclaw_actors.media.playout import PACKET_S

LEAD_S = 0.4
"""Sound that is sent ahead of what is played: it bridges the network's jitter, and a pause throws it away."""
MARK_EVERY = 10
"""Packets (200 ms) between marks: how exactly it is known what the caller has heard."""
ECHO_GRACE_S = 2.0
"""An echo that is later than its sound by more than that will not come; a turn must not wait on it for ever."""


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str
    position: int
    due_at: float


class SentAhead:
    """Counts packets since the last clear. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._run = 0
        self._sent = 0
        self._marks = 0
        self._marked = 0
        self._heard = 0
        self._anchor = (0, 0.0)
        self._run_began = (0, 0.0)
        self._pending: deque[_Mark] = deque()
        self.round_trip_s = 0.0
        """How much later than its sound's end an echo last came: to the far end, to its ear, and back; 0: not known."""

    @property
    def unmarked(self) -> int:
        """Packets sent since the last mark."""
        return self._sent - self._marked

    def room(self, now: float) -> int:
        """How many packets may be sent now."""
        return max(0, round(LEAD_S / PACKET_S) - (self._sent - self._played(now)))

    def sent(self, packets: int, now: float) -> None:
        """So many more were sent."""
        if self._played(now) >= self._sent:
            # Its buffer was empty: what comes now is played from its next 20 ms on.
            self._anchor = (self._sent, now + PACKET_S)
            self._run_began = (self._sent, now)
        self._sent += packets

    def mark(self, now: float) -> str:
        """The name of a mark that is sent now."""
        self._marks += 1
        self._marked = self._sent
        name = f"{self._run}:{self._marks}"
        left_s = (self._sent - self._played(now)) * PACKET_S
        self._pending.append(_Mark(name, self._sent, now + left_s + ECHO_GRACE_S))
        return name

    def echoed(self, name: str, now: float) -> int:
        """How many more packets are played, now that this mark came back; 0 for one of before a clear."""
        if not any(mark.name == name for mark in self._pending):
            return 0
        while self._pending:
            mark = self._pending.popleft()
            if mark.name == name:
                self._anchor = (mark.position, now)
                began, at = self._run_began
                if mark.position > began:  # else it is the end of a run before, whose beginning is forgotten
                    self.round_trip_s = max(0.0, now - at - (mark.position - began) * PACKET_S)
                return self._hear(mark.position)
        return 0

    def overdue(self, now: float) -> int:
        """How many packets must have been played though no echo says so."""
        position = self._heard
        while self._pending and self._pending[0].due_at <= now:
            position = self._pending.popleft().position
        return self._hear(position)

    @property
    def overdue_at(self) -> float | None:
        """When ``overdue`` has something to tell, unless an echo comes."""
        return self._pending[0].due_at if self._pending else None

    def clear(self) -> None:
        """The far end's buffer is thrown away: echoes of marks sent up to now mean nothing."""
        self._run += 1
        self._sent = self._marked = self._heard = 0
        self._anchor = (0, 0.0)
        self._run_began = (0, 0.0)
        self._pending.clear()

    def _hear(self, position: int) -> int:
        more, self._heard = position - self._heard, position
        return more

    def _played(self, now: float) -> int:
        position, at = self._anchor
        return min(self._sent, position + int(max(0.0, now - at) / PACKET_S + 1e-6))
