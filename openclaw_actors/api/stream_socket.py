"""A carrier's WebSocket as its media stream needs it: texts in and out, bounded both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSMsgType, web

from openclaw_actors.api.aiohttp_private import TappedWebSocket
from openclaw_actors.transports.media_streams.stream import TRY_AGAIN_LATER, UNSUPPORTED_DATA, StreamFaultError

CLOSE_S = 2.0
"""How long the other end may take to say goodbye."""


class StreamSocket:
    """Implements ``transports.media_streams.stream.Socket``.

    Args:
        request: the upgrade.
        response: its answer, prepared. Longer messages than its ``max_msg_size`` close it with 1009.
        outgoing_bytes: that may wait to be read.
    """

    def __init__(self, request: web.Request, response: TappedWebSocket, outgoing_bytes: int) -> None:
        self._request = request
        self._response = response
        self._outgoing_bytes = outgoing_bytes
        self._tap = response.tap
        if request.transport is not None:
            # Up to there nothing waits for the other end: `send` refuses what goes beyond.
            request.transport.set_write_buffer_limits(high=outgoing_bytes)

    async def receive(self) -> str | None:
        """As Socket.receive."""
        message = await self._response.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            raise StreamFaultError(UNSUPPORTED_DATA, "Binary message")
        return None

    async def listen(self, take: Callable[[str], bool]) -> None:
        """As Socket.listen."""
        while self._tap is None or self._tap.waiting:
            text = await self.receive()
            if text is None or not take(text):
                return
        self._tap.open(take)
        try:
            await self.receive()  # what is no text
        finally:
            fault = self._tap.close()
        if fault is not None:
            raise fault

    async def send(self, text: str) -> None:
        """As Socket.send."""
        transport = self._request.transport
        if transport is None or self._response.closed:
            raise ConnectionResetError("the media stream is closed")
        if transport.get_write_buffer_size() + len(text) > self._outgoing_bytes:
            raise StreamFaultError(TRY_AGAIN_LATER, "Backpressure: send buffer exceeded")
        await self._response.send_str(text)

    async def close(self, code: int, reason: str) -> None:
        """As Socket.close."""
        with suppress(TimeoutError, ConnectionError, RuntimeError):
            async with asyncio.timeout(CLOSE_S + 1):
                await self._response.close(code=code, message=reason.encode(), drain=False)
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # it does not read: what waits for it would be kept for as long as its machine lives
