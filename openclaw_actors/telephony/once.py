"""Answers that are given again when the same thing is asked again; pure.

Carriers repeat what was not answered in time, and what somebody has overheard can be replayed: signatures hold no time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

KEPT_S = 86_400.0
"""No call is older than a day (Twilio's longest lasts 4 hours): nobody asks about it honestly after that."""
_MOST = 10_000
"""Answers kept, 5 MB at most; only what the carrier has signed comes in."""


class Once:
    """What was answered, by what was asked.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def answer(self, key: str, make: Callable[[], str]) -> str:
        """The answer that was given to ``key``; ``make`` makes it the first time. One that raises is no answer."""
        now = self._clock()
        while self._answers and next(iter(self._answers.values()))[0] <= now - KEPT_S:
            self._answers.popitem(last=False)
        known = self._answers.get(key)
        if known is not None:
            return known[1]
        made = make()
        self._answers[key] = (now, made)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        return made
