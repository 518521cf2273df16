"""How long a silence ends this caller's turn: it follows the caller's own pauses, and how finished they sound."""

from __future__ import annotations

from openclaw_actors.turns.completeness import STATEMENT

CUT_OFF_MS = 700
"""Who speaks again so soon after their turn was ended had not finished it. Our answer begins 0.2-0.4 s after the
end, and nobody reacts to it in less than another 0.2 s or so: this is no barge-in."""

_SURE = 0.85
"""From this completeness on, silence alone decides."""

_LOST = 0.1
"""Up to this completeness more is to come: the caller is given all the time there is.

Between the two the wait grows with the square of what is missing: a statement (0.57) has 381 ms, which spares it pauses
of 300 ms and costs little, since the early answer of a fast engine takes as long; "What are you looking for" (0.3)
has 0.9 s, and "I would like to" (0.15) 1.3 s."""

_HEADROOM = 1.25
"""The delay that a pause asks for, over its length: the caller's next pause may be that much longer."""

_SHORTEST_PAUSE_MS = 100
"""Shorter gaps are closures of consonants, and say nothing of how a caller pauses."""

_RISE, _FALL = 0.8, 0.15
"""Weights of the moving average, up and down: a turn cut off is worse than some answers 300 ms later. Callers whose
turns each hold a pause of 250, 300 or 600 ms are so cut off 1, 1 and 2 times in eight turns, with 0.5 it was 2, 3 and
6 times. A pause of 600 ms lifts the delay from 200 to 640 ms, and ten turns without one bring it back to 287 ms."""


class EndpointDelay:
    """A moving average of what the caller's pauses ask for, within bounds.

    Args:
        shortest_ms: where it starts, and where it goes back to.
        longest_ms: its upper bound; taken as ``shortest_ms`` when it is less.
        ms: as learnt earlier; brought within the bounds.
    """

    def __init__(self, shortest_ms: float, longest_ms: float, ms: float = 0) -> None:
        self._shortest_ms = float(shortest_ms)
        self.longest_ms = float(max(shortest_ms, longest_ms))
        self.ms = min(max(float(ms), self._shortest_ms), self.longest_ms)

    def after(self, score: float) -> float:
        """Milliseconds of silence that end a turn whose words are complete by ``score``, 0 to 1."""
        missing = min(max((_SURE - score) / (_SURE - _LOST), 0.0), 1.0)
        return self.ms + (self.longest_ms - self.ms) * missing**2

    def pause(self, ms: float, score: float | None = None) -> None:
        """The caller was silent for ``ms`` and then went on with the same turn, ended by us or not.

        Args:
            ms: the silence.
            score: how complete the words were, None: not known. A pause behind "and the" says nothing of how long
                the caller pauses where they might have finished.
        """
        if ms >= _SHORTEST_PAUSE_MS and (score is None or score >= STATEMENT):
            self._move(ms * _HEADROOM)

    def turn_was_whole(self) -> None:
        """The caller had indeed finished when the last turn was ended."""
        self._move(self._shortest_ms)

    def _move(self, goal_ms: float) -> None:
        goal_ms = min(max(goal_ms, self._shortest_ms), self.longest_ms)
        self.ms += (_RISE if goal_ms > self.ms else _FALL) * (goal_ms - self.ms)
