"""Receivers on real sockets, a real outbox, and a lane between them whose clock the test holds."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from openclaw_actors.messages import Event
from openclaw_actors.settings.sections import StoreSettings, Webhooks
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store.entries import EventEntry
from openclaw_actors.store.store import Store
from openclaw_actors.webhooks.lane import Lane

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
WAIT_S = 10.0

Answer = Callable[[web.Request], Any]


@dataclass
class Receiver:
    """A program that takes webhooks. ``answers`` are used up one a request; then all are taken with 204."""

    url: str = ""
    answers: deque[Answer | int] = field(default_factory=deque)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """The events that came and were verified, answered 2xx or not."""
    ids: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    open: int = 0
    most_open: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        event = Webhook(SECRET).verify(body, dict(request.headers))
        assert event["id"] == request.headers["webhook-id"]
        assert request.content_type == "application/json"
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        async with self._came:
            self.taken.append(event)
            self.ids.append(event["id"])
            self.agents.add(request.headers["User-Agent"])
            self._came.notify_all()
        try:
            answer = self.answers.popleft() if self.answers else 204
            if isinstance(answer, int):
                return web.Response(status=answer)
            return await answer(request)
        finally:
            self.open -= 1

    async def until(self, requests: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(WAIT_S), self._came:
            await self._came.wait_for(lambda: len(self.taken) >= requests)
        return self.taken

    async def until_told(self, kind: str, times: int) -> list[dict[str, Any]]:
        """The events of one type, once ``times`` have come; as long as it takes, for whole hosts."""
        async with self._came:
            await self._came.wait_for(lambda: sum(event["type"] == kind for event in self.taken) >= times)
        return [event for event in self.taken if event["type"] == kind]

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """Never answer, but let the server stop."""
        await self.closing.wait()
        return web.Response()


@asynccontextmanager
async def receiving(*answers: Answer | int):
    receiver = Receiver(answers=deque(answers))
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        await runner.cleanup()


@pytest.fixture
def receiver_at():
    return receiving


class Ledger:
    """The store, with a book of what was written to its outbox."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.book: asyncio.Queue[tuple[str, tuple[Any, ...]]] = asyncio.Queue()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if name not in {"outbox_done", "outbox_retry", "outbox_give_up"}:
            return real

        async def booked(*arguments: Any) -> Any:
            result = await real(*arguments)
            self.book.put_nowait((name.removeprefix("outbox_"), arguments))
            return result

        return booked

    async def next(self) -> tuple[str, tuple[Any, ...]]:
        """The next thing that was written."""
        async with asyncio.timeout(WAIT_S):
            return await self.book.get()

    async def happens(self, call_id: str, sequence: int, kind: str, **data: Any) -> Event:
        """An event happens and is committed, with its deliveries."""
        event = Event(f"evt_{ulid()}", kind, now_rfc3339(), call_id, sequence, data)
        recorded = asyncio.get_running_loop().create_future()
        self.store.write(EventEntry(event), recorded.set_result)
        async with asyncio.timeout(WAIT_S):
            assert await recorded
        return event


@pytest.fixture
def outbox(tmp_path):
    @asynccontextmanager
    async def open_outbox(*urls: str, name: str = "calls.db"):
        store = await Store.open(StoreSettings(url=f"sqlite:///{tmp_path / name}"), urls)
        try:
            yield Ledger(store)
        finally:
            await store.aclose()

    return open_outbox


class Clock:
    """Both clocks of a lane; it runs on, and the test may move it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def reach(self, at: float) -> None:
        self.ahead = max(self.ahead, at - time.time() + 0.001)


@dataclass
class RunningLane:
    lane: Lane
    clock: Clock

    def at(self, moment: float) -> None:
        """Let it be ``moment``, seconds since the epoch."""
        self.clock.reach(moment)
        self.lane.wake()


@asynccontextmanager
async def lane_to(url: str, ledger: Ledger, **settings: Any):
    clock = Clock()
    section = webhooks(url, **settings)
    lane = Lane(url, section, ledger, clock=clock, monotonic=clock, chance=lambda: 0.0)
    task = asyncio.create_task(lane.run())
    try:
        yield RunningLane(lane, clock)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def running_lane():
    return lane_to


def webhooks(*urls: str, **settings: Any) -> Webhooks:
    return Webhooks(**{"urls": urls, "secret": SECRET, "allow_private": True, "timeout_s": 5, **settings})


@pytest.fixture
def settings_for():
    return webhooks


def body_of(event: Event) -> bytes:
    return json.dumps(event.as_dict()).encode()
