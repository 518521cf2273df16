"""The minutes of a day: calls by phone are counted as they go, and ended when the day's minutes are used up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openclaw_actors.actors.board import Board
from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger, outside
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.numbers import DAY_S, HOUR_S, Numbers

_log = get_logger(__name__)


class Budget:
    """Watches the calls by phone of one host. A listener of its EventHub.

    Args:
        numbers: counts.
        transports: the carriers.
        board: ends calls.
        spawn: runs what takes time.
    """

    def __init__(
        self,
        numbers: Numbers,
        transports: Sequence[str],
        board: Board,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._numbers = numbers
        self._transports = transports
        self._board = board
        self._spawn = spawn
        self._by_phone: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def remember(self, store: Store) -> None:
        """Count what the records say of the last day: starting the host anew gives nobody new minutes."""
        now, wall = time.monotonic(), time.time()
        since = rfc3339(datetime.now(UTC) - timedelta(seconds=DAY_S))
        calls = await store.past_calls(self._transports, since)
        for call in calls:
            self._numbers.remember(now - (wall - call.ended_at), call.seconds)
        for began_at in sorted(call.began_at for call in calls if call.direction == "outbound"):
            if began_at > wall - HOUR_S:
                self._numbers.dialled(now - (wall - began_at))

    async def look_elsewhere(self, store: Store) -> None:
        """Count what the other hosts of a cluster use, by the records: one bound holds for all of them."""
        now, wall = time.monotonic(), time.time()
        since = rfc3339(datetime.now(UTC) - timedelta(seconds=DAY_S))
        calls = await store.calls_elsewhere(self._transports, since)
        dialled = [now - (wall - call.began_at) for call in calls if call.direction == "outbound"]
        self._numbers.elsewhere(dialled, [(now - (wall - call.ended_at), call.seconds) for call in calls])
        self._watch()

    def hear(self, event: Event) -> None:
        """An event of any call."""
        call_id = event.call_id
        if event.type in {"call.queued", "call.initiated"}:
            if event.data.get("transport") in self._transports:
                self._by_phone.add(call_id)
        elif call_id in self._by_phone and event.type in {"call.answered", "call.ended"}:
            if event.type == "call.answered":
                self._numbers.began(call_id, time.monotonic())
            else:
                self._by_phone.discard(call_id)
                self._numbers.ended(call_id, time.monotonic())
            self._watch()

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        """Be there when the calls that run will have used the minutes up: sooner the more of them there are."""
        self.close()
        left_s = self._numbers.exhausted_in(time.monotonic())
        if left_s != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(left_s, self._exhausted, context=outside())

    def _exhausted(self) -> None:
        calls = self._numbers.running
        _log.warning("the minutes of the day are used up: calls by phone are ended", calls=len(calls))
        for call_id in calls:
            self._spawn(self._end(call_id))

    async def _end(self, call_id: str) -> None:
        await self._board.hang_up(call_id, "daily_minutes")
