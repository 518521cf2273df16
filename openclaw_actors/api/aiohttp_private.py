"""The one file that knows private names of aiohttp (3.14); tests/contracts/test_aiohttp.py fails when they change.

aiohttp puts each WebSocket message into a queue, from which a task takes it: a future, a handle of the event loop and
three coroutines for a text that is done with in microseconds. `TextTap` gives texts to a function from within
``data_received`` instead; of what a silent media stream costs, that spares a twelfth (two hosts side by side, 60 lines
each). Everything else goes the stock way, which all goes where aiohttp has other names than these.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Self

from aiohttp import WSMessage, WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader

from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

_QUEUE_BYTES = 2**18
"""As aiohttp: twice as much may wait to be taken before the socket is not read any more."""
_OVER = WSMessage(WSMsgType.ERROR, None, None)
"""Wakes who waits for what is no text."""

_OF_A_RESPONSE = ("_reader", "_parser", "_max_msg_size")
_OF_A_PROTOCOL = ("_payload_parser", "set_parser")

Take = Callable[[str], bool]
"""Is given a text; False: it wants no more."""


class TextTap(WebSocketDataQueue):
    """In place of a WebSocket's queue: while it is open, texts go past it."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request.protocol, _QUEUE_BYTES, loop=get_running_loop())
        self._take: Take | None = None
        self._context: Context = copy_context()
        self._fault: Exception | None = None

    @classmethod
    def into(cls, request: web.Request, response: web.WebSocketResponse) -> Self | None:
        """Put one in; None where this aiohttp is not the one that is known here.

        Args:
            request: the upgrade.
            response: its answer, just prepared, that has no heartbeat and no compression.
        """
        protocol: Any = request.protocol
        missing = [name for name in _OF_A_RESPONSE if not hasattr(response, name)]
        missing += [name for name in _OF_A_PROTOCOL if not hasattr(protocol, name)]
        if missing:
            _log.warning("aiohttp has changed: media streams are read the stock way", missing=missing)
            return None
        tap = cls(request)
        before: Any = response._reader  # noqa: SLF001 - this file's office
        tap._buffer.extend(before._buffer)  # noqa: SLF001 - what came along with the upgrade
        parser = WebSocketReader(tap, response._max_msg_size, compress=False, decode_text=True)  # noqa: SLF001 - as above
        protocol._payload_parser = None  # noqa: SLF001 - as above
        protocol.set_parser(parser)
        response._reader, response._parser = tap, parser  # noqa: SLF001 - as above
        return tap

    @property
    def waiting(self) -> int:
        """Messages in the queue."""
        return len(self._buffer)

    def open(self, take: Take) -> None:
        """Give each text to ``take`` as it comes, in the context of who calls this."""
        self._take, self._context, self._fault = take, copy_context(), None

    def close(self) -> None:
        """Let texts wait in the queue again.

        Raises:
            Exception: what ``take`` has raised.
        """
        self._take = None
        if self._fault is not None:
            raise self._fault

    def feed_data(self, data: Any, size: int) -> None:
        """A message has come: aiohttp's parser calls this."""
        if self._take is None or data.type is not WSMsgType.TEXT:
            super().feed_data(data, size)
            return
        try:
            if self._context.run(self._take, data.data):
                return
        except Exception as error:  # noqa: BLE001 - `close` raises it; here it would be lost
            self._fault = error
        self._take = None
        super().feed_data(_OVER, 0)
