"""The socket of a media stream, read with distrust: bounded in rate and nonsense, and closed with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from openclaw_actors.observability.logs import get_logger
from openclaw_actors.transports.media_streams.framing import FrameError, Framing, StreamEvent

_log = get_logger(__name__)

UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
"""RFC 6455 section 7.4.1, and IANA's registry of close codes."""

_BURST_S = 4.0
"""What a carrier may send at once: all that was held up while the network, or this process, stood still."""
_NONSENSE = 20
"""Messages that can't be read, after which the far end is no carrier."""


class StreamFaultError(Exception):
    """The stream must be closed: ``code`` of RFC 6455, and a reason in a few words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Socket(Protocol):
    """A WebSocket, whoever serves it."""

    async def receive(self) -> str | None:
        """The next text; None when it is closed.

        Raises:
            StreamFaultError: something else came.
        """

    async def listen(self, take: Callable[[str], bool]) -> None:
        """Give every text to ``take`` as it comes, until the socket is closed or ``take`` returns False.

        Raises:
            StreamFaultError: something else came.
            Exception: what ``take`` raises.
        """

    async def send(self, text: str) -> None:
        """Send a text; waits for nobody to read it.

        Raises:
            ConnectionError: it is closed.
            StreamFaultError: too much waits to be read.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close; returns when it is. May be called more than once."""


class MediaStream:
    """One carrier's socket with its framing.

    Args:
        socket: the socket.
        framing: the carrier's.
        per_second: messages that may come, in the long run.
        clock: monotonic seconds.
    """

    def __init__(
        self, socket: Socket, framing: Framing, per_second: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.framing = framing
        self._socket = socket
        self._per_second = per_second
        self._clock = clock
        self._credit = per_second * _BURST_S
        self._credited_at = clock()
        self._nonsense = 0

    async def next(self) -> StreamEvent | None:
        """What comes next; None when the socket is closed. What can't be read is passed over.

        Raises:
            StreamFaultError: 1008, too many messages, or too many that mean nothing; what the socket raises.
        """
        while (text := await self._socket.receive()) is not None:
            event = self._read(text)
            if event is not None:
                return event
        return None

    async def listen(self, take: Callable[[StreamEvent], bool]) -> None:
        """Give all that comes from now on to ``take``, until the socket is closed or ``take`` returns False.

        Raises:
            StreamFaultError: as `next`.
            Exception: what ``take`` raises.
        """

        def hear(text: str) -> bool:
            event = self._read(text)
            return event is None or take(event)

        await self._socket.listen(hear)

    async def send(self, text: str) -> None:
        """As Socket.send."""
        await self._socket.send(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """As Socket.close."""
        await self._socket.close(code, reason)

    def _read(self, text: str) -> StreamEvent | None:
        """What a message says; None: it can't be read."""
        self._count()
        try:
            return self.framing.parse(text)
        except FrameError as error:
            self._nonsense += 1
            _log.warning("media stream: a message that can't be read", reason=str(error), length=len(text))
            if self._nonsense >= _NONSENSE:
                raise StreamFaultError(POLICY_VIOLATION, "Not a media stream") from None
            return None

    def _count(self) -> None:
        now = self._clock()
        earned = (now - self._credited_at) * self._per_second
        self._credit = min(self._per_second * _BURST_S, self._credit + earned) - 1
        self._credited_at = now
        if self._credit < 0:
            raise StreamFaultError(POLICY_VIOLATION, "Too many messages")
