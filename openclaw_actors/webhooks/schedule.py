"""When an event is tried again, when it is given up, and when a receiver is left alone: pure, clocks passed in."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY_S = 5.0
GROWTH = 4.8
"""5 s, 24 s, 2 min, 9 min, 44 min, 3.5 h, 17 h: the eighth attempt comes 21.5 h after the first (23.6 h with jitter),
inside the day after which ``webhooks`` promises that an end was told or is given up."""
JITTER = 0.1
"""Share of a delay that is added at random: receivers that fell together are not hit together when they rise."""
LONGEST_DELAY_S = 86_400.0

PASSING_ATTEMPTS = 5
"""For events that are not the end of anything; with the delays above the last comes 12 min after the first."""
PASSING_AGE_S = 3_600.0
"""An event that is no end is not told later than this: behind it waits the end of its call."""
TERMINAL_AGE_S = 86_400.0

BREAKER_FAILURES = 5
"""In a row, over all calls, after which a receiver is taken for dead."""
BREAKER_FIRST_S = 5.0
BREAKER_LONGEST_S = 60.0
"""A receiver that is back hears of it within a minute, and one that is not costs one attempt a minute."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one event is tried.

    Args:
        attempts: setting ``webhooks.attempts``: of a terminal event.
    """

    attempts: int

    def delay(
        self, attempt: int, *, terminal: bool, age_s: float, chance: float, at_least_s: float = 0.0
    ) -> float | None:
        """Seconds from the failure of attempt number ``attempt`` (from 1) to the next; None: give it up.

        Args:
            attempt: how often it has been tried.
            terminal: whether it tells the end of a call.
            age_s: since the event.
            chance: 0 to 1, for the jitter.
            at_least_s: what the receiver asked for (Retry-After).
        """
        most = self.attempts if terminal else min(self.attempts, PASSING_ATTEMPTS)
        if attempt >= most or self.expired(terminal=terminal, age_s=age_s):
            return None
        # The exponent is bounded: 4.8 ** 500 would not fit a float.
        delay = FIRST_DELAY_S * GROWTH ** min(attempt - 1, 20) * (1 + JITTER * chance)
        return min(max(delay, at_least_s), LONGEST_DELAY_S)

    def expired(self, *, terminal: bool, age_s: float) -> bool:
        """Whether it is too old to be told."""
        return age_s > (TERMINAL_AGE_S if terminal else PASSING_AGE_S)


class Breaker:
    """Leaves a dead receiver alone: after BREAKER_FAILURES failures in a row it is tried once after each longer pause.

    Times are seconds of one clock that never goes back.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = BREAKER_FIRST_S
        self._closed_until = 0.0

    @property
    def open(self) -> bool:
        """Whether the receiver is taken for dead."""
        return self._failures >= BREAKER_FAILURES

    def wait_s(self, now: float) -> float:
        """Seconds until the receiver may be tried; 0: now."""
        return max(0.0, self._closed_until - now) if self.open else 0.0

    def allowance(self, most: int) -> int:
        """How many attempts may run side by side: one while the receiver is taken for dead."""
        return 1 if self.open else most

    def succeeded(self) -> bool:
        """An attempt was taken; whether the receiver was taken for dead until now."""
        recovered = self.open
        self._failures, self._pause_s = 0, BREAKER_FIRST_S
        return recovered

    def failed(self, now: float) -> bool:
        """An attempt failed; whether that made the receiver dead."""
        self._failures += 1
        if not self.open:
            return False
        self._closed_until = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, BREAKER_LONGEST_S)
        return self._failures == BREAKER_FAILURES
