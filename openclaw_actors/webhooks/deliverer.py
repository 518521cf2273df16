"""Deliverer: the host's webhooks. One lane for each receiver, so that a dead one hurts nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from openclaw_actors.actors.events import EventHub
from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings
from openclaw_actors.store.recording import is_delivered
from openclaw_actors.store.store import Store
from openclaw_actors.webhooks.lane import Lane, origin

_log = get_logger(__name__)

_GATHER_S = 0.05
"""Events of 25 calls come in bursts of tens a second; they wake a lane once, and a person does not notice 50 ms."""
_AGAIN_S = 5.0
"""Until a lane that broke is started anew."""


class Deliverer:
    """Posts what stands in the store's outbox to ``webhooks.urls``.

    What is delivered is committed before it is posted, so the host may be killed at any moment: the next one goes on
    where this one stopped. An event may come twice then, with the same ``webhook-id``.

    Args:
        settings: all settings.
        store: opened with the same ``webhooks.urls``.
        hub: tells of new events.
    """

    def __init__(self, settings: Settings, store: Store, hub: EventHub) -> None:
        self._store = store
        self._hub = hub
        self._urls = settings.webhooks.urls
        self._lanes = {url: Lane(url, settings.webhooks, store) for url in self._urls}
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], object] = lambda: None
        self._waking: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin; what was left undelivered goes first. Does not fail where the store does: the lanes wait for it."""
        try:
            left = await self._store.outbox_abandon(self._urls)
        except StoreUnavailableError as error:
            _log.warning("the webhook outbox can't be read now", reason=error.detail)
        else:
            if left:
                _log.warning("events are given up whose URL is no longer in webhooks.urls", events=left)
        self._unsubscribe = self._hub.subscribe(self._heard)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(_keep_running(lane), name="webhook lane") for lane in self._lanes.values()]

    def describe(self) -> list[dict[str, Any]]:
        """Each receiver and how it does, as JSON; of its URL only the origin, as the rest may hold a secret."""
        return [{"receiver": origin(url), **lane.describe()} for url, lane in self._lanes.items()]

    def wake(self) -> None:
        """Deliver at once what is due: there is something that no event has told of."""
        for lane in self._lanes.values():
            lane.wake()

    async def aclose(self) -> None:
        """Stop; what is undelivered stays in the outbox."""
        self._unsubscribe()
        if self._waking is not None:
            self._waking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _heard(self, event: Event) -> None:
        if self._waking is None and self._lanes and is_delivered(event):
            self._waking = asyncio.get_running_loop().call_later(_GATHER_S, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self.wake()


async def _keep_running(lane: Lane) -> None:
    while True:
        try:
            await lane.run()
        except Exception:  # noqa: BLE001 - whatever broke, the receiver's events must go on
            _log.exception("a webhook lane broke and is started anew")
        await asyncio.sleep(_AGAIN_S)
