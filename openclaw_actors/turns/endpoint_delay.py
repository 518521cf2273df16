"""How long a silence ends this caller's turn: it follows the caller's own pauses."""

from __future__ import annotations

CUT_OFF_MS = 700
"""Who speaks again so soon after their turn was ended had not finished it. Our answer begins 0.2-0.4 s after the
end, and nobody reacts to it in less than another 0.2 s or so: this is no barge-in."""

_HEADROOM = 1.25
"""The delay that a pause asks for, over its length: the caller's next pause may be that much longer."""

_SHORTEST_PAUSE_MS = 100
"""Shorter gaps are closures of consonants, and say nothing of how a caller pauses."""

_RISE, _FALL = 0.5, 0.15
"""Weights of the moving average, up and down. A turn cut off is worse than an answer 100 ms late, so two pauses of
600 ms lift the delay from 200 to 613 ms, and ten turns without a pause bring it back to 281 ms. (LiveKit Agents
averages the pauses themselves, 0.9 to 0.1, both ways.)"""


class EndpointDelay:
    """A moving average of what the caller's pauses ask for, within bounds.

    Args:
        shortest_ms: where it starts, and where it goes back to.
        longest_ms: its upper bound; taken as ``shortest_ms`` when it is less.
        ms: as learnt earlier; brought within the bounds.
    """

    def __init__(self, shortest_ms: float, longest_ms: float, ms: float = 0) -> None:
        self._shortest_ms = float(shortest_ms)
        self._longest_ms = float(max(shortest_ms, longest_ms))
        self.ms = min(max(float(ms), self._shortest_ms), self._longest_ms)

    def pause(self, ms: float) -> None:
        """The caller was silent for ``ms`` and then went on with the same turn, ended by us or not."""
        if ms >= _SHORTEST_PAUSE_MS:
            self._move(ms * _HEADROOM)

    def turn_was_whole(self) -> None:
        """The caller had indeed finished when the last turn was ended."""
        self._move(self._shortest_ms)

    def _move(self, goal_ms: float) -> None:
        goal_ms = min(max(goal_ms, self._shortest_ms), self._longest_ms)
        self.ms += (_RISE if goal_ms > self.ms else _FALL) * (goal_ms - self.ms)
