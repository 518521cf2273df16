"""How many calls this machine bears, found out from how it bears those that it has: pure, load and time are passed in.

One more call costs 1.8 to 3.6 % of a core in media alone, and speech engines cost more than all of that, by model and
machine: no number that is written down is right. So the limit begins at one that has been measured, falls when calls
suffer, and rises, one by one, while those that are near it do not.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 25
"""Media alone takes 2.6-3.6 % of a core a call, and the loop has one core: 25 leave head-room."""
MOST = 250
"""Above it nothing was measured: two hundred media streams, of which one asks something each quarter of a second, take
0.8 to 0.9 of a core."""

STRAINED_LAG_S = 0.3
"""The loop's worst lateness in a second. The caller's jitter buffer hides 60-100 ms; every caller hears this."""
CALM_LAG_S = 0.05
STRAINED_WAIT_S = 1.0
"""The oldest job in a worker's queue: a caller who has finished has been waiting for so long, and nobody has begun."""
CALM_WAIT_S = 0.2
STRAINED_FOR_S = 5.0
"""Seconds without a look in between that was not strained. A model's load is over by then."""
CALM_FOR_S = 10.0
"""Before the limit rises again: the calls that were refused meanwhile come back at once, all of them."""
STEP_S = 2.0
"""Between two steps up: as long as a call takes to be set up, greeted, and to show what it costs."""
NEAR = 2
"""Free places at which the limit is of interest; far below it, calm says nothing about more calls."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one second was like.

    Args:
        lag_s: how late the event loop was at worst.
        wait_s: how long the oldest job for a worker process has been waiting.
    """

    lag_s: float
    wait_s: float

    @property
    def is_strained(self) -> bool:
        """Calls suffer."""
        return self.lag_s >= STRAINED_LAG_S or self.wait_s >= STRAINED_WAIT_S

    @property
    def is_calm(self) -> bool:
        """They do not by far. Between calm and strained, nothing changes."""
        return self.lag_s <= CALM_LAG_S and self.wait_s <= CALM_WAIT_S


class Capacity:
    """The limit of one host.

    Args:
        start: calls to begin with.
        most: calls that it never exceeds.
    """

    def __init__(self, start: int = START, most: int = MOST) -> None:
        self.limit = start
        self.why = ""
        """What made it fall, while that stands; for people."""
        self._start = start
        self._most = most
        self._strained_since: float | None = None
        self._calm_since: float | None = None
        self._stepped_at = 0.0

    def look(self, load: Load, calls: int, now: float) -> int:
        """Take note of a second with ``calls`` calls that ended at ``now`` (monotonic seconds); the limit now."""
        if not load.is_calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        if not load.is_strained:
            self._strained_since = None
        elif self._strained_since is None:
            self._strained_since = now
        if self._strained_since is not None and now - self._strained_since >= STRAINED_FOR_S:
            self._fall(load, calls, now)
        elif self._calm_since is not None and now - self._calm_since >= CALM_FOR_S:
            self._rise(calls, now)
        return self.limit

    def _fall(self, load: Load, calls: int, now: float) -> None:
        """A tenth fewer than there are. Nobody is cut off: those that are up end by themselves."""
        self.limit = max(1, min(self.limit, calls * 9 // 10))
        self.why = f"the loop is {load.lag_s * 1000:.0f} ms late, a job waits for {load.wait_s:.1f} s"
        self._strained_since = self._stepped_at = now

    def _rise(self, calls: int, now: float) -> None:
        wanted = self.limit < self._start or calls >= self.limit - NEAR
        if wanted and self.limit < self._most and now - self._stepped_at >= STEP_S:
            self.limit += 1
            self._stepped_at = now
            if self.limit >= self._start:
                self.why = ""
