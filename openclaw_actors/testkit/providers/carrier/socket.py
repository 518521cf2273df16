"""The carrier's end of a media stream's WebSocket.

Over picows, since a benchmark's two hundred lines send 10,000 messages a second: one takes 10 µs of the processor where
aiohttp's client takes 17, seven of either in the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Self

import picows

_CLOSE_S = 5.0
"""For the host to answer our close."""


class StreamSocket(picows.WSListener):
    """One connection. What the host does not read waits in memory: a line goes on, as a telephone does.

    Args:
        take: is given each text of the host's; False: it is none that may come.
    """

    def __init__(self, take: Callable[[str], bool]) -> None:
        self.over = asyncio.Event()
        """Nothing more comes."""
        self.misunderstood = False
        """Since the host said what may not come, or said it in fragments; what is no frame at all just ends it all."""
        self.close_code = 0
        """The host's; 0 while it has sent none."""
        self.close_reason = ""
        self._take = take
        self._transport: picows.WSTransport | None = None

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str], take: Callable[[str], bool], **connecting: Any) -> Self:
        """Connect.

        Args:
            url: ws:// or wss://.
            headers: of the upgrade.
            take: as of the class.
            connecting: more for ``picows.ws_connect``.

        Raises:
            picows.WSHandshakeError: the host has refused it.
            OSError: nobody is there.
        """
        socket = cls(take)
        await picows.ws_connect(lambda: socket, url, extra_headers=dict(headers), use_aiofastnet=False, **connecting)
        return socket

    def send(self, text: str) -> None:
        """Send a message.

        Raises:
            ConnectionResetError: the connection is over.
        """
        if self._transport is None or self.over.is_set():
            raise ConnectionResetError("the stream is closed")
        self._transport.send(picows.WSMsgType.TEXT, text.encode())

    def vanish(self) -> None:
        """Cut the connection off, without a word."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def close(self) -> None:
        """Say that it is over, and wait for the host's answer."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(picows.WSCloseCode.OK)
        try:
            with contextlib.suppress(TimeoutError, picows.WSProtocolError):
                async with asyncio.timeout(_CLOSE_S):
                    await transport.wait_disconnected()
        finally:
            transport.disconnect(graceful=False)

    # --- what picows tells ------------------------------------------------------------------------

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The host has accepted it."""
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:  # noqa: ARG002 - picows' interface
        """A message of the host's."""
        if self.over.is_set():
            return
        kind = frame.msg_type
        if kind == picows.WSMsgType.PONG or (kind == picows.WSMsgType.TEXT and self._understood(frame)):
            return
        if kind == picows.WSMsgType.CLOSE:
            said = frame.get_payload_as_bytes()  # RFC 6455 section 5.5.1
            self.close_code, self.close_reason = int.from_bytes(said[:2]), said[2:].decode(errors="replace")
        else:
            self.misunderstood = True
        self.over.set()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:  # noqa: ARG002 - picows' interface
        """The connection is gone."""
        self.over.set()

    def pause_writing(self) -> None:
        """The host does not read."""

    def resume_writing(self) -> None:
        """It reads again."""

    def _understood(self, frame: picows.WSFrame) -> bool:
        try:
            return frame.fin and self._take(frame.get_payload_as_utf8_text())
        except UnicodeDecodeError:
            return False
