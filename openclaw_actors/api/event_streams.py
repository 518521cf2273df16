"""Events as they happen: server-sent events (HTML standard, section 9.2) of one call, or of all.

Each event is encoded once and put into every reader's queue; nobody waits for a reader. One who falls behind by a
whole queue is told so in a comment and disconnected, and may come back with the last id that it has.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import deque
from collections.abc import Callable

from aiohttp import web

from openclaw_actors.actors.board import Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.api.recordings import no_such_call
from openclaw_actors.errors import RefusalError, StoreUnavailableError
from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Limits
from openclaw_actors.store.store import Store

_log = get_logger(__name__)

_PAGE = 500
"""Events read from the store at once: some 150 kB of text."""
_LAST_EVENTS_S = 2.0
"""How long what a finished call said last may still be on its way: a listener is told after 1 s at the latest."""
_GRACE_S = 5.0
"""How long a reader who was left behind may take to read what was written to it, the reason among it."""
_KERNEL_BYTES = 65_536
"""Kept by the kernel for one reader. By itself Linux lets this grow to 4 MB: a reader that never reads took 2.8 MB,
11,000 events, before anything here could notice."""
_RETRY_MS = 2000
"""When a browser that was cut off comes back; its own default is 3 to 5 s."""
_LAST = "call.ended"
"""The last event of each call."""
_ID = re.compile(r"[!-~]{1,128}")
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would collect 4 KiB before it passes anything on
}


class _Reader:
    """What waits for one reader. ``call_id`` None: it hears all calls."""

    def __init__(self, call_id: str | None, limit: int, on_overflow: Callable[[], None]) -> None:
        self.call_id = call_id
        self.overflowed = False
        self.ended = False
        self._limit = limit
        self._on_overflow = on_overflow
        self._queue: deque[tuple[Event, bytes]] = deque()
        self._wake = asyncio.Event()

    def put(self, event: Event, frame: bytes) -> None:
        """One more; past the limit nothing is kept, as a stream with a hole would not be noticed."""
        if self.overflowed:
            return
        if len(self._queue) >= self._limit:
            self.overflowed = True
            self._queue.clear()
            self._on_overflow()
        else:
            self._queue.append((event, frame))
        self._wake.set()

    def end(self) -> None:
        """The host stops."""
        self.ended = True
        self._wake.set()

    async def take(self, timeout_s: float) -> list[tuple[Event, bytes]]:
        """All that waits; empty after ``timeout_s`` of nothing, on overflow and at the end."""
        if not self._queue and not self.overflowed and not self.ended:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        taken = list(self._queue)
        self._queue.clear()
        return taken


class EventStreams:
    """Serves readers.

    Args:
        limits: how many readers, and how far behind one may be.
        board: which calls live.
        store: the events of before.
        hub: the events of now.
    """

    def __init__(self, limits: Limits, board: Board, store: Store, hub: EventHub) -> None:
        self._limits = limits
        self._board = board
        self._store = store
        self._hub = hub
        self._readers: set[_Reader] = set()
        self._unsubscribe: Callable[[], None] = lambda: None

    async def begin(self, _: web.Application) -> None:
        """Listen to the hub. A hook for ``on_startup``."""
        self._unsubscribe = self._hub.subscribe(self._hear)

    async def end(self, _: web.Application) -> None:
        """End all streams: the server waits for its handlers. A hook for ``on_shutdown``."""
        self._unsubscribe()
        for reader in self._readers:
            reader.end()

    def _hear(self, event: Event) -> None:
        frame = b""
        for reader in tuple(self._readers):
            if not event.call_id or reader.call_id in (None, event.call_id):
                frame = frame or encode(event)
                reader.put(event, frame)

    async def of_call(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/calls/{call_id}/events``: from its first event, or the one after Last-Event-ID, to its end."""
        call_id = request.match_info["call_id"]
        last = _last_id(request)
        live = call_id in self._board.live_calls()
        if not live and await self._store.call(call_id) is None:
            raise no_such_call()
        return await self._serve(request, call_id, last, from_store=True)

    async def of_all(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/events``: what happens from now on, or after Last-Event-ID."""
        last = _last_id(request)
        return await self._serve(request, None, last, from_store=bool(last))

    async def _serve(
        self, request: web.Request, call_id: str | None, last: str, *, from_store: bool
    ) -> web.StreamResponse:
        if len(self._readers) >= self._limits.event_streams:
            raise RefusalError(
                503,
                "too_many_streams",
                f"All {self._limits.event_streams} places for readers of events are taken (limits.event_streams).",
                {"Retry-After": "10"},
            )
        loop = asyncio.get_running_loop()
        give_up: list[asyncio.TimerHandle] = []

        def left_behind() -> None:
            _log.warning("a reader of events is too slow and is disconnected", call_id=call_id)
            give_up.append(loop.call_later(_GRACE_S, _abort, request))

        reader = _Reader(call_id, self._limits.event_stream_queue, left_behind)
        # Before the store is read, so that nothing falls between; what is in both is sent once.
        self._readers.add(reader)
        try:
            # The first page before the head: a store that is down is a problem, not a broken stream.
            past = await self._past(call_id, last) if from_store else []
            if call_id is not None and not past and last and self._is_over(call_id):
                return web.Response(status=204)  # tells a browser not to come back
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            _bound_kernel_buffer(request)
            try:
                await self._stream(response, reader, past)
            except ConnectionError:
                _log.debug("a reader of events has left", call_id=call_id)
            return response
        finally:
            self._readers.discard(reader)
            for timer in give_up:
                timer.cancel()

    async def _past(self, call_id: str | None, last: str) -> list[Event]:
        """The first page. Without a store there is none, but what happens from now on can still be followed."""
        try:
            return await self._store.events(call_id, last, _PAGE)
        except StoreUnavailableError:
            if last:
                raise
            return []

    def _is_over(self, call_id: str | None) -> bool:
        """Whether nothing more can come of this call. Its end may have missed the records, when they were failing."""
        return call_id is not None and call_id not in self._board.live_calls()

    async def _stream(self, response: web.StreamResponse, reader: _Reader, past: list[Event]) -> None:
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        sent: dict[str, int] = {}
        while past:
            await response.write(b"".join(encode(event) for event in past))
            sent |= {event.call_id: event.sequence for event in past}
            if reader.call_id is not None and past[-1].type == _LAST:
                return
            past = await self._more(reader, past) if len(past) == _PAGE else []
        beat = self._limits.event_heartbeat_s
        while True:
            over = self._is_over(reader.call_id)
            taken = await reader.take(min(_LAST_EVENTS_S, beat) if over else beat)
            if reader.overflowed:
                await response.write(b": overflow: you are too far behind; come back with Last-Event-ID\n\n")
                return
            frames = [frame for event, frame in taken if event.sequence > sent.get(event.call_id, 0)]
            if frames or not reader.ended:
                await response.write(b"".join(frames) or b": heartbeat\n\n")
            if (
                reader.ended
                or (over and not taken)
                or (reader.call_id is not None and any(event.type == _LAST for event, _ in taken))
            ):
                return

    async def _more(self, reader: _Reader, past: list[Event]) -> list[Event]:
        try:
            return await self._store.events(reader.call_id, past[-1].id, _PAGE)
        except RefusalError:
            reader.end()  # the reader comes back for the rest
            return []


def encode(event: Event) -> bytes:
    """The event as it is sent. JSON has no bare line ends, so its data is one line.

    What is on no record has no id there: nobody can come back to it.
    """
    data = json.dumps(event.as_dict(), separators=(",", ":"))
    place = f"id: {event.id}\n" if event.call_id else ""
    return f"{place}event: {event.type}\ndata: {data}\n\n".encode()


def _last_id(request: web.Request) -> str:
    given = request.headers.get("Last-Event-ID", "")
    if given and not _ID.fullmatch(given):
        raise RefusalError(400, "bad_last_event_id", "Last-Event-ID must be the id of an event.")
    return given


def _bound_kernel_buffer(request: web.Request) -> None:
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
