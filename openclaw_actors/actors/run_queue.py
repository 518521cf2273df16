"""Whose mail is handled next: one callback of the loop serves all actors that have some, a slice of time each turn.

What can't wait goes first. A caller's question goes through eight mailboxes until its answer is heard, and when the
machine has faltered, the sound of all other callers would wait before each of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context

_SLICE, _SLICE_S = 32, 0.001
"""Messages handled, and seconds, before other callbacks of the loop get their turn: most take 15 µs, but one that asks
the voice detector takes 300, and one that looks for an echo 1,000. By number alone a slice of 30 calls took up to
39 ms, in which no packet left. With slices of 2 ms the first packets of thirty calls' answers left after 395 and 380 ms
(95th percentile), with 1 ms after 361 and 379, with 0.5 after 380."""

_LONGEST_SLICES = 6
"""A slice is as long as what else the loop did since the one before, up to so many: 6 ms. Else a loop with 200 sockets
to read gives mail a quarter of its time, and when that is too little, mail waits for seconds (p50 0.5 s at 200 media
streams that ask nine questions a second) while packets leave in time."""


class Reader:
    """One actor, as the queue knows it: made by `RunQueue.reader`.

    It stands at most once among the urgent and once among the patient, and its mail keeps its order.
    """

    __slots__ = ("_context", "_drain", "_queue", "is_patient", "is_urgent")

    def __init__(self, queue: RunQueue, drain: Callable[[], int], context: Context) -> None:
        self._queue = queue
        self._drain: Callable[[], int] | None = drain
        self._context = context
        self.is_urgent = self.is_patient = False
        """It stands there."""

    def wake(self, *, urgent: bool) -> None:
        """It has mail, and is asked to handle some of it soon. From any thread, after that mail is there."""
        if self.is_urgent or (self.is_patient and not urgent):
            return
        if urgent:
            self.is_urgent = True
        else:
            self.is_patient = True
        self._queue.add(self, urgent=urgent)

    def retire(self) -> None:
        """Ask it no more, and let go of it."""
        self._drain = None

    def serve(self) -> int:
        """Have it handle a few messages; returns how many. It may have none: all were handled when it was urgent."""
        return 0 if self._drain is None else self._context.run(self._drain)


class RunQueue:
    """The readers of a loop that have mail, in the order in which it came, but urgent mail's first.

    Who is told something by one of them is served in the same callback. So a frame that goes through two actors takes
    one turn of the loop in place of two.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.thread = threading.get_ident()
        """The loop's."""
        self._loop = loop
        self._urgent: deque[Reader] = deque()
        self._patient: deque[Reader] = deque()
        self._scheduled = False
        self._left_at: float | None = None
        """When a slice ended that left mail behind; None: the last one took it all."""

    def reader(self, drain: Callable[[], int], context: Context) -> Reader:
        """A new one.

        Args:
            drain: handles a few messages and returns how many, maybe none; called on the loop's thread after a `wake`.
            context: it runs in.
        """
        return Reader(self, drain, context)

    def add(self, reader: Reader, *, urgent: bool) -> None:
        """Serve it in its turn. From any thread."""
        if threading.get_ident() == self.thread:
            self._add(reader, urgent)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, reader, urgent)

    def _add(self, reader: Reader, urgent: bool) -> None:
        (self._urgent if urgent else self._patient).append(reader)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        now = time.monotonic()
        others_s = 0.0 if self._left_at is None else now - self._left_at
        fair = min(max(1.0, others_s / _SLICE_S), _LONGEST_SLICES)
        left, until = _SLICE * fair, now + _SLICE_S * fair
        none_was_patient = True
        try:
            while (self._urgent or self._patient) and left > 0 and now < until:
                none_was_patient &= bool(self._urgent)
                left -= self._serve_urgent() if self._urgent else self._serve_patient()
                now = time.monotonic()
            while none_was_patient and self._patient:  # urgent mail that never ends must not stop the rest
                none_was_patient = self._serve_patient() == 0
        finally:
            self._scheduled = bool(self._urgent or self._patient)
            self._left_at = now if self._scheduled else None
            if self._scheduled:
                self._loop.call_soon(self._run)

    def _serve_urgent(self) -> int:
        reader = self._urgent.popleft()
        reader.is_urgent = False  # first: what is told from another thread meanwhile wakes it again
        return reader.serve()

    def _serve_patient(self) -> int:
        reader = self._patient.popleft()
        reader.is_patient = False
        return reader.serve()
