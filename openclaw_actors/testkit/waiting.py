"""Waiting for what a call brings, without polling and without a wait that outlives its call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class CallEndedError(Exception):
    """The call was over before what was waited for had come."""


class Waits:
    """The open waits of one call, checked whenever something has happened.

    Args:
        summary: says what the call has brought so far, for the text of an error.
    """

    def __init__(self, summary: Callable[[], str]) -> None:
        self.over = False
        """The call is over: a wait that is not satisfied by now never will be."""
        self._summary = summary
        self._open: list[tuple[Callable[[float], Any], asyncio.Future[Any]]] = []

    def check(self, now: float) -> None:
        """Something has happened at ``now`` (monotonic seconds): end the waits that it satisfies."""
        for found_in, future in [*self._open]:
            if future.done():
                continue
            if found := found_in(now):
                future.set_result(found)
            elif self.over:
                future.set_exception(CallEndedError(f"the call is over ({self._summary()})"))

    def end(self) -> None:
        """The call is over."""
        self.over = True
        self.check(time.monotonic())

    async def until(self, found: Callable[[float], T | None], timeout_s: float | None, what: str) -> T:
        """Return the first true value of ``found(now)``.

        Raises:
            TimeoutError: it did not come in ``timeout_s`` seconds.
            CallEndedError: the call ended before.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        entry = (found, future)
        self._open.append(entry)
        try:
            self.check(time.monotonic())
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise TimeoutError(f"no {what} within {timeout_s} s ({self._summary()})") from None
        finally:
            self._open.remove(entry)
