"""How often one client may ask, and how many may be served at once; pure, the clock is passed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

_CLIENTS = 10_000
"""Buckets kept (about 2 MB); past that the one unused for longest is forgotten, which can only be too kind."""


class TokenBuckets:
    """One token bucket for each client: ``burst`` at once, then ``per_second``."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float) -> float:
        """Take a token at ``now`` (seconds of a monotonic clock): 0, or the seconds until there will be one."""
        tokens, at = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._per_second
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return wait


class Places:
    """A bound on what is under way at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @property
    def are_taken(self) -> bool:
        """No place is left."""
        return self._taken >= self._limit

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place."""
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
