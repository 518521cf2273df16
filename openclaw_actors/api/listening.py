"""Listening in: the sound of a live call as an HTTP response that lasts as long as the call.

A response, and no receive-only WebRTC peer: that would cost the call's own loop an ICE agent, DTLS and SRTP for each
listener (2-3 % of a core, as much as a call), and ports that must be reachable. This is one more reader of bytes that
are made once for all listeners, it passes every proxy, and its token travels in a header.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import web

from openclaw_actors.actors.board import Board
from openclaw_actors.api.auth import PRINCIPAL
from openclaw_actors.api.models import Me
from openclaw_actors.api.recordings import no_such_call
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.audience import wav_header
from openclaw_actors.messages import Listen, StopListening
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings
from openclaw_actors.store.store import Store

_log = get_logger(__name__)

_FRAMES_A_WRITE = 5
"""100 ms: ten writes a second and listener in place of fifty; a page keeps 200 ms ahead anyway."""
_LOOK_S = 2.0
"""How often a stream without sound (the call rings, or its caller is on the way back) looks whether it is over."""
_STUCK_S = 10.0
"""A listener who has read nothing for so long is disconnected."""
_HEADERS = {"Content-Type": "audio/wav", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _Ear:
    """What waits for one listener: at most ``limit`` frames; the oldest give way. A Listener of media/audience.py."""

    def __init__(self, limit: int) -> None:
        self.over = False
        self.dropped = 0
        self._frames: deque[bytes] = deque(maxlen=limit)
        self._wake = asyncio.Event()

    def hear(self, sound: bytes) -> None:
        """One more frame."""
        if len(self._frames) == self._frames.maxlen:
            self.dropped += 1
            metrics.listener_frames_dropped_total.inc()
        self._frames.append(sound)
        if len(self._frames) >= _FRAMES_A_WRITE:
            self._wake.set()

    def end(self) -> None:
        """No more will come."""
        self.over = True
        self._wake.set()

    async def take(self) -> bytes:
        """All that waits, once it is enough to be worth a write; empty after _LOOK_S, or at the end."""
        if len(self._frames) < _FRAMES_A_WRITE and not self.over:
            self._wake.clear()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
        sound = b"".join(self._frames)
        self._frames.clear()
        return sound


class ListeningDesk:
    """Serves listeners, and says to each client what it may do.

    Args:
        settings: whether calls may be listened to, and by how many.
        board: the live calls.
        store: tells calls that are over from those that never were.
    """

    def __init__(self, settings: Settings, board: Board, store: Store) -> None:
        self._settings = settings
        self._board = board
        self._store = store
        self._ears: set[_Ear] = set()

    async def me(self, request: web.Request) -> web.Response:
        """``GET /v1/me``."""
        principal = request[PRINCIPAL]
        me = Me(
            name=principal.name,
            scopes=sorted(principal.scopes),
            listen_in=self._settings.calls.listen_in,
            voicemail=self._settings.voicemail.enabled,
        )
        return web.Response(text=me.model_dump_json(), content_type="application/json")

    async def end(self, _: web.Application) -> None:
        """End all streams: the server waits for its handlers. A hook for ``on_shutdown``."""
        for ear in self._ears:
            ear.end()

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/calls/{call_id}/listen``."""
        call_id = request.match_info["call_id"]
        if not self._settings.calls.listen_in:
            raise RefusalError(
                403, "listening_off", "Calls on this host can't be listened to; calls.listen_in = true lets operators."
            )
        limits = self._settings.limits
        if len(self._ears) >= limits.listeners:
            raise RefusalError(
                503,
                "too_many_listeners",
                f"All {limits.listeners} places for listeners are taken (limits.listeners).",
                {"Retry-After": "10"},
            )
        ear = _Ear(limits.listener_frames)
        self._ears.add(ear)
        metrics.listeners.set(len(self._ears))
        try:
            if not await self._board.tell(call_id, Listen(ear, request[PRINCIPAL].name)):
                await self._refuse_past(call_id)
            return await self._stream(request, call_id, ear)
        finally:
            self._ears.discard(ear)
            metrics.listeners.set(len(self._ears))
            await self._board.tell(call_id, StopListening(ear))
            if ear.dropped:
                _log.warning("a listener was too slow", call_id=call_id, frames_dropped=ear.dropped)

    async def _refuse_past(self, call_id: str) -> None:
        if await self._store.call(call_id) is None and not self._board.knows(call_id):
            raise no_such_call()
        raise RefusalError(409, "call_ended", "The call is over; there is nothing to hear any more.")

    async def _stream(self, request: web.Request, call_id: str, ear: _Ear) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        try:
            await response.write(wav_header())
            while not ear.over:
                sound = await ear.take()
                if sound:
                    async with asyncio.timeout(_STUCK_S):
                        await response.write(sound)
                elif call_id not in self._board.live_calls() or _has_gone(request):
                    break
        except ConnectionError:
            _log.debug("a listener has left", call_id=call_id)
        except TimeoutError:
            _log.warning("a listener does not read and is disconnected", call_id=call_id, seconds=_STUCK_S)
            if request.transport is not None:
                request.transport.abort()
        return response


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
