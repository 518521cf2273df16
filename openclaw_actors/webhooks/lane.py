"""One receiver's deliveries: in order within each call, side by side across calls, bounded, patient."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from openclaw_actors.actors.event_types import EVENT_TYPES, is_terminal
from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Webhooks
from openclaw_actors.store.records import Delivery
from openclaw_actors.store.store import Store
from openclaw_actors.webhooks.post import Outcome, Poster
from openclaw_actors.webhooks.schedule import PASSING_AGE_S, Breaker, RetryPolicy

_log = get_logger(__name__)

SIDE_BY_SIDE = 8
"""Attempts at once: a receiver that takes 100 ms is told 80 events a second, and one that hangs holds 8 sockets."""
GRACE_S = 2.0
"""What running attempts are given when the host stops."""
_SHORTEST_S = 0.05
"""Between two looks at an outbox in which nothing was due."""
_STORE_PAUSE_S = 5.0
"""Until the outbox is asked again when it could not be read."""
_IDLE_S = 60.0
"""The longest sleep; what comes wakes the lane, this is for a wall clock that was set."""
_SWEEP_S = 60.0
"""Between two looks for what has grown too old."""
_TERMINAL = tuple(kind for kind, known in EVENT_TYPES.items() if known.terminal)


class Lane:
    """Delivers what the outbox holds for one URL.

    The outbox gives only the first undelivered event of each call, so an event waits for those before it.

    Args:
        url: the receiver.
        settings: section ``webhooks``.
        store: whose outbox.
        clock: seconds since the epoch, as the outbox counts.
        monotonic: seconds of a clock that nobody sets, for the breaker.
        chance: 0 to 1, for the jitter of retries.
    """

    def __init__(
        self,
        url: str,
        settings: Webhooks,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._store = store
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        self._policy = RetryPolicy(settings.attempts)
        self._breaker = Breaker()
        self._gone = False
        self._said = ""
        self._swept_at = -math.inf
        self._running: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._log = _log.bind(receiver=origin(url))

    def wake(self) -> None:
        """There may be something to deliver."""
        self._wake.set()

    def describe(self) -> Mapping[str, Any]:
        """How the receiver does, as JSON: ``state`` (ok, failing, gone) and the last fault."""
        state = "gone" if self._gone else "failing" if self._breaker.open else "ok"
        return {"state": state, "detail": self._said, "in_flight": len(self._running)}

    async def run(self) -> None:
        """Deliver until cancelled; then the attempts that run have ended."""
        async with Poster(self._settings) as poster:
            try:
                while True:
                    self._wake.clear()
                    pause_s = await self._round(poster)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await self._wake.wait()
            finally:
                await self._let_finish()

    async def _let_finish(self) -> None:
        """An attempt that is cut off would be made again at the next start, though it may have arrived."""
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _round(self, poster: Poster) -> float | None:
        """Start what is due; seconds until the next look, None to wait for an attempt's end."""
        try:
            if self._gone:
                return await self._give_all_up()
            await self._drop_what_is_overtaken()
            pause_s = self._breaker.wait_s(self._monotonic())
            if pause_s:
                return pause_s
            free = self._breaker.allowance(SIDE_BY_SIDE) - len(self._running)
            if free > 0:
                busy = frozenset(self._running)  # before the question: one that ends meanwhile is in the answer still
                due = await self._store.outbox_due(self._clock(), SIDE_BY_SIDE, self._url)
                for delivery in [each for each in due if each.number not in busy][:free]:
                    self._start(poster, delivery)
            return None if self._running else await self._until_next()
        except StoreUnavailableError as error:
            self._log.warning("webhooks wait for the records", reason=error.detail)
            return _STORE_PAUSE_S

    async def _until_next(self) -> float:
        next_at = await self._store.outbox_next_at(self._url)
        return _IDLE_S if next_at is None else min(max(_SHORTEST_S, next_at - self._clock()), _IDLE_S)

    def _start(self, poster: Poster, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(poster, delivery), name="webhook")
        self._running[delivery.number] = task
        task.add_done_callback(lambda ended: self._ended(delivery.number, ended))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        self._running.pop(number, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a webhook delivery broke; it is made again", exc_info=error)

    # --- one delivery -----------------------------------------------------------------------------

    async def _deliver(self, poster: Poster, delivery: Delivery) -> None:
        outcome = await poster.post(self._url, delivery.event_id, delivery.body.encode())
        record = self._judge(delivery, outcome)
        while True:
            try:
                await record()
            except StoreUnavailableError as error:
                # Not posted again meanwhile: on a full disk the receiver would get the same event every few seconds.
                self._log.warning("a delivery waits to be recorded", event_id=delivery.event_id, reason=error.detail)
                await asyncio.sleep(_STORE_PAUSE_S)
            else:
                return

    def _judge(self, delivery: Delivery, outcome: Outcome) -> Callable[[], Awaitable[None]]:
        """Draw the conclusions of an attempt; what is to be recorded of it."""
        if outcome.verdict == "delivered":
            _count("delivered")
            self._said = ""
            recovered = self._breaker.succeeded()
            if recovered:
                self._log.info("a webhook receiver answers again")
            return partial(self._delivered, delivery, recovered=recovered)
        self._said = outcome.detail
        if outcome.verdict == "gone":
            _count("gone")
            self._gone = True
            self._log.error(
                "a webhook receiver wants no more events; take it out of webhooks.urls, or restart when it is back"
            )
            return partial(self._store.outbox_give_up, delivery.number, outcome.detail)
        if self._breaker.failed(self._monotonic()):
            self._log.error("a webhook receiver is down; its events wait", reason=outcome.detail)
        return self._try_again(delivery, outcome)

    async def _delivered(self, delivery: Delivery, *, recovered: bool) -> None:
        await self._store.outbox_done(delivery.number)
        if recovered:
            await self._store.outbox_hasten(self._url, self._clock())

    def _try_again(self, delivery: Delivery, outcome: Outcome) -> Callable[[], Awaitable[None]]:
        attempt, now = delivery.attempts + 1, self._clock()
        delay = self._policy.delay(
            attempt,
            terminal=is_terminal(delivery.event_type),
            age_s=now - delivery.created_at,
            chance=self._chance(),
            at_least_s=outcome.retry_after_s,
        )
        told = {"event_id": delivery.event_id, "type": delivery.event_type, "attempt": attempt}
        if delay is None:
            _count("given_up")
            self._log.error("a webhook event is given up", **told, reason=outcome.detail)
            return partial(self._store.outbox_give_up, delivery.number, outcome.detail)
        _count(outcome.verdict)
        self._log.warning("a webhook event was not taken", **told, reason=outcome.detail, again_in_s=round(delay, 1))
        return partial(self._store.outbox_retry, delivery.number, now + delay, outcome.detail)

    # --- many at once -----------------------------------------------------------------------------

    async def _drop_what_is_overtaken(self) -> None:
        """Behind what nobody took for an hour waits the end of its call; it must not wait for each one in turn."""
        now = self._monotonic()
        if now - self._swept_at < _SWEEP_S:
            return
        self._swept_at = now
        dropped = await self._store.outbox_expire(self._url, self._clock() - PASSING_AGE_S, _TERMINAL)
        if dropped:
            _count("given_up", dropped)
            self._log.error("webhook events are given up: nobody took them for an hour", events=dropped)

    async def _give_all_up(self) -> float:
        dropped = await self._store.outbox_expire(self._url, self._clock() + 1, ())
        if dropped:
            _count("given_up", dropped)
        return _IDLE_S


def origin(url: str) -> str:
    """What is said of a URL in public; the rest may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _count(result: str, times: int = 1) -> None:
    metrics.webhook_deliveries_total.labels(result=result).inc(times)
