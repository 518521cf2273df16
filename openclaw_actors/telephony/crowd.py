"""How many are under way at once, in all and from one address; pure."""

from __future__ import annotations

from collections import Counter


class Crowd:
    """A bound on what is under way.

    Args:
        most: in all; 0: no bound.
        most_each: of one address.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._all = 0
        self._each: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Whether there is room for one more; it must ``leave`` then. An empty address is counted in all alone."""
        if (self._most and self._all >= self._most) or (address and self._each[address] >= self._most_each):
            return False
        self._all += 1
        if address:
            self._each[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One is done."""
        self._all -= 1
        if address:
            self._each[address] -= 1
            if not self._each[address]:
                del self._each[address]
