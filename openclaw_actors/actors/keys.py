"""Keys that the caller presses, collected until ``#`` or a pause: a number is one line of theirs, not five."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openclaw_actors.messages import KeysPaused

PAUSE_S = 2.0
"""After the last key; people press two a second, and look up a number's next part within one and a half."""
_MOST = 64
"""Keys in one line."""


class Keys:
    """One call's.

    Args:
        later: tells the Call a message after so many seconds.
        take: is given what was pressed.
    """

    def __init__(self, later: Callable[[float, Any], None], take: Callable[[str], None]) -> None:
        self._later = later
        self._take = take
        self._pressed = ""
        self._count = 0

    @property
    def are_being_entered(self) -> bool:
        """Whether the caller is in the middle of a number."""
        return bool(self._pressed)

    def press(self, keys: str) -> None:
        """Some more."""
        for key in keys:
            self._count += 1
            if key == "#":
                self._flush()
                continue
            self._pressed += key
            if len(self._pressed) >= _MOST:
                self._flush()
        if self._pressed:
            self._later(PAUSE_S, KeysPaused(self._count))

    def paused(self, count: int) -> None:
        """No more was pressed for a while, if ``count`` keys are still all."""
        if count == self._count and self._pressed:
            self._flush()

    def _flush(self) -> None:
        keys, self._pressed = self._pressed or "#", ""
        self._take(keys)
