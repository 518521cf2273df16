"""How much of its time the event loop computes: near all of it, whatever comes waits."""

from __future__ import annotations

import time
from collections.abc import Callable


class LoopLoad:
    """Measures the thread that makes it, which alone may ask.

    What the loop's thread waits for (other threads, the processor itself where a container may not have all of it) is
    not counted.

    Args:
        clock: monotonic seconds.
        computed: seconds for which the thread has computed.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, computed: Callable[[], float] = time.thread_time
    ) -> None:
        self._computed = computed
        self.measured_at = clock()
        """When it was measured last."""
        self._computed_then = computed()

    def measure(self, now: float) -> float:
        """The share of the time since it was measured last, 0 to 1; ``now``: monotonic seconds, later than that."""
        computed = self._computed()
        share = (computed - self._computed_then) / max(now - self.measured_at, 1e-6)
        self.measured_at, self._computed_then = now, computed
        return min(1.0, share)
