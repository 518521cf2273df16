"""The one file that knows private names of aiohttp (3.14); tests/contracts/test_aiohttp.py fails when they change.

aiohttp puts each WebSocket message into a queue, from which a task takes it: a future, a handle of the event loop and
three coroutines for a text that is done with in microseconds. `TextTap` gives texts to a function from within
``data_received`` instead; of what a silent media stream costs, that spares a twelfth (two hosts side by side, 60 lines
each). Everything else goes the stock way, and so do texts where aiohttp has other names than these.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import cache
from typing import Any

from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http import WebSocketReader

from openclaw_actors.observability.logs import get_logger

try:
    from aiohttp._websocket.reader import WebSocketDataQueue
except ImportError:
    WebSocketDataQueue = object  # type: ignore[misc, assignment] # `TappedWebSocket` finds that out

_log = get_logger(__name__)

_QUEUE_BYTES = 2**18
"""As aiohttp: twice as much may wait to be taken before the socket is not read any more."""
_OVER = WSMessage(WSMsgType.ERROR, None, None)
"""Wakes who waits for what is no text."""
_ENDS = frozenset({WSMsgType.BINARY, WSMsgType.CLOSE})
"""No text behind one of these goes past the queue: it would be heard before what came first."""

_OF_A_RESPONSE = ("_reader", "_parser", "_max_msg_size")
_OF_A_PROTOCOL = ("_message_tail", "_payload_parser")

Take = Callable[[str], bool]
"""Is given a text; False: it wants no more."""


class TextTap(WebSocketDataQueue):
    """In place of a WebSocket's queue: while it is open, texts go past it."""

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol, _QUEUE_BYTES, loop=get_running_loop())
        self._take: Take | None = None
        self._context: Context = copy_context()
        self._fault: Exception | None = None

    @property
    def waiting(self) -> int:
        """Messages in the queue."""
        return len(self._buffer)

    def open(self, take: Take) -> None:
        """Give each text to ``take`` as it comes, in the context of who calls this."""
        self._take, self._context, self._fault = take, copy_context(), None

    def close(self) -> Exception | None:
        """Let texts wait in the queue again; what ``take`` has raised."""
        self._take = None
        return self._fault

    def feed_data(self, data: Any, size: int) -> None:
        """A message has come: aiohttp's parser calls this."""
        if self._take is None or data.type is not WSMsgType.TEXT:
            if data.type in _ENDS:
                self._take = None
            super().feed_data(data, size)
            return
        try:
            if self._context.run(self._take, data.data):
                return
        except Exception as error:  # noqa: BLE001 - `close` tells it; here it would be lost
            self._fault = error
        self._take = None
        super().feed_data(_OVER, 0)


class TappedWebSocket(web.WebSocketResponse):
    """A WebSocketResponse without compression or heartbeat whose texts may go past its queue."""

    tap: TextTap | None = None
    """Once prepared; None where this aiohttp is not the one that is known here."""

    def _post_start(self, request: Any, protocol: Any, writer: Any) -> None:
        connection = request.protocol
        tail = getattr(connection, "_message_tail", b"")
        try:
            for owner, names in ((self, _OF_A_RESPONSE), (connection, _OF_A_PROTOCOL)):
                for name in names:
                    getattr(owner, name)
            tap = TextTap(connection)
            parser = WebSocketReader(tap, self._max_msg_size, compress=False, decode_text=True)
        except (AttributeError, TypeError) as error:
            _warn_once(str(error))
            super()._post_start(request, protocol, writer)
            return
        connection._message_tail = b""  # noqa: SLF001 - this file's office; our parser reads it, as it may end within a message
        super()._post_start(request, protocol, writer)
        connection._payload_parser, self._reader, self._parser = parser, tap, parser  # noqa: SLF001 - as above
        self.tap = tap
        if tail:
            connection.data_received(tail)


@cache
def _warn_once(error: str) -> None:
    _log.warning("aiohttp has changed: media streams are read the stock way", error=error)
