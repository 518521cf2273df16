"""How often a caller's growing utterance may be recognised again, by what that costs now. Pure.

A partial is a courtesy: it must neither make a final wait long nor take the machine from media. So its price, a batch's
time by the utterances in it, is measured on every job, and when partials have to queue everybody asks more seldom.
"""

from __future__ import annotations

SHARE = 5.0
"""A caller who speaks may have a fifth of the worker: seconds between partials for each second that one costs."""

SHORTEST_S = 0.3
"""Two or three words; more often, each partial would bring the same words again."""

LONGEST_S = 2.0
"""More seldom, most utterances (2 to 4 s) would be over before two partials could agree."""

MOST_S = LONGEST_S / SHARE
"""A dearer recognition is not repeated: a final that comes meanwhile waits for it to end."""

_SMOOTHING = 0.3
"""Of the newest measurement: the price follows a change within three or four jobs."""

_STRETCH = 1.5
_RELAX = 0.95
_MOST_STRETCH = 6.0
"""As TCP does: away from a queue at once, back to it slowly."""


class Pace:
    """The interval between partials."""

    def __init__(self) -> None:
        self._price_s: float | None = None
        self._stretch = 1.0

    @property
    def every_s(self) -> float:
        """Seconds from one partial of a caller to the next; 0: none, they cost too much here."""
        if self._price_s is None or self._price_s > MOST_S:
            return 0.0
        return min(LONGEST_S, max(SHORTEST_S, SHARE * self._price_s) * self._stretch)

    @property
    def at_once(self) -> int:
        """How many partials may be on their way together: a final that comes meanwhile waits for MOST_S at most."""
        return max(1, int(MOST_S / self._price_s)) if self._price_s else 1

    def worked(self, batch_s: float, jobs: int) -> None:
        """A batch of so many jobs took so long."""
        price = batch_s / jobs
        known = price if self._price_s is None else self._price_s
        self._price_s = known + _SMOOTHING * (price - known)

    def waited(self, queued_s: float, batch_s: float) -> None:
        """A partial waited so long for its batch, which then took ``batch_s``."""
        if queued_s > batch_s:
            self.crowded()
        else:
            self._stretch = max(1.0, self._stretch * _RELAX)

    def crowded(self) -> None:
        """A partial was given up: others went first."""
        self._stretch = min(_MOST_STRETCH, self._stretch * _STRETCH)
