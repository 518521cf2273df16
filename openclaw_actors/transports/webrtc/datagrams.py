"""The datagrams of all calls of a loop, read by one reader, a slice at a time.

A loop reads each socket that is ready in one turn, and what else waits has its turn after that. A caller's question
takes some twenty turns (a mail, a request, its answer, the next request), so when the machine falters and datagrams
have piled up, a turn that takes 20 ms is paid for many times over.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections import Counter, deque
from contextvars import copy_context
from typing import Any
from weakref import WeakKeyDictionary

from openclaw_actors.observability.logs import outside

_SLICE_S = 0.001
"""Before other callbacks of the loop get their turn: five to ten datagrams."""

_AT_ONCE = 8
"""Sockets that are asked for at a time. The kernel then puts them behind all others, so that none is left out."""

_MANY = 8
"""Calls from which on they are read on a beat, until half of them are left. A loop that is woken for each datagram by
itself is woken 470 times a second by 12 calls, and 320 times so: a host with 10 or 14 takes 0.95 of the processor's
time (`python -m tests.load.compare`), and hears 2.5 ms later. Fewer calls would be woken more often by the beat."""

_BEAT_S = 0.005
"""On the same grid of time as the pacer's groups (pacer.py), so that one wake-up serves both."""

_LONGEST = 65_536
"""Bytes of a datagram."""

_WAITING = 64
"""Datagrams that the system has no room for: what is older than a second is of no use to a call."""


async def open_datagrams(protocol: asyncio.DatagramProtocol, sock: socket.socket, call: object) -> None:
    """Connect ``protocol`` to a bound socket that does not block, which is its from now on.

    By the loop's own means where the system has no epoll.

    Args:
        protocol: is told of what comes.
        sock: closed when the protocol is closed, or when this fails.
        call: whose it is; a call has a socket for each address of the host.

    Raises:
        OSError: the system has no room for another.
    """
    if hasattr(select, "epoll"):
        try:
            transport = _DatagramSocket(protocol, sock, id(call))
        except OSError:
            sock.close()
            raise
        protocol.connection_made(transport)
    else:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, sock=sock)


class _DatagramSocket(asyncio.DatagramTransport):
    """One socket's transport."""

    def __init__(self, protocol: asyncio.DatagramProtocol, sock: socket.socket, call: int) -> None:
        self.call = call
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._protocol = protocol
        self._sock = sock
        self._closing = False
        self._waiting: deque[tuple[bytes, Any]] = deque(maxlen=_WAITING)
        self._reader = _readers.setdefault(self._loop, _Reader())
        self._reader.add(sock.fileno(), self)

    def read(self) -> None:
        """Take one datagram in, if there is one; never raises."""
        self._context.run(self._read)

    def _read(self) -> None:
        try:
            try:
                data, source = self._sock.recvfrom(_LONGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # what became of something that was sent
                self._protocol.error_received(error)
                return
            self._protocol.datagram_received(data, source)
        except Exception as error:  # noqa: BLE001 - one datagram's fault is not the next one's
            self._loop.call_exception_handler({"message": "a datagram failed", "exception": error, "transport": self})

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send at once, or as soon as the system has room for it; of more than 64 that wait the oldest are lost."""
        if self._closing:
            return
        if self._waiting or not self._send(data, addr):
            if not self._waiting:
                self._loop.add_writer(self._sock.fileno(), self._send_waiting)
            self._waiting.append((bytes(data), addr))

    def _send(self, data: Any, addr: Any) -> bool:
        """Whether it need not be sent again."""
        try:
            self._sock.sendto(data, addr)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._protocol.error_received(error)
        return True

    def _send_waiting(self) -> None:
        while self._waiting and self._send(*self._waiting[0]):
            self._waiting.popleft()
        if not self._waiting:
            self._loop.remove_writer(self._sock.fileno())

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """Read and send no more; the protocol is told soon."""
        if not self._closing:
            self._closing = True
            if self._waiting:
                self._loop.remove_writer(self._sock.fileno())
            self._reader.remove(self._sock.fileno())
            self._sock.close()
            self._loop.call_soon(self._protocol.connection_lost, None, context=self._context)

    abort = close


class _Reader:
    """Reads the sockets of one loop: a few calls' as soon as they are ready, many calls' together on a beat."""

    def __init__(self) -> None:
        self._sockets: dict[int, _DatagramSocket] = {}
        self._calls: Counter[int] = Counter()
        self._ready: select.epoll | None = None
        self._on_beat = False
        self._beat: asyncio.Handle | None = None
        self._slot = 0

    def add(self, fd: int, reads: _DatagramSocket) -> None:
        """Have it ``read`` from now on.

        Raises:
            OSError: the system takes no more.
        """
        ready = self._ready = self._ready or self._new()
        ready.register(fd, select.EPOLLIN)
        self._sockets[fd] = reads
        self._calls[reads.call] += 1
        if not self._on_beat and len(self._calls) >= _MANY:
            self._on_beat = True
            loop = asyncio.get_running_loop()
            loop.remove_reader(ready.fileno())
            self._beat = loop.call_soon(self._read_on_beat, context=outside())

    def _new(self) -> select.epoll:
        ready = select.epoll()
        self._read_at_once(ready)
        return ready

    def remove(self, fd: int) -> None:
        """No more."""
        reads, ready = self._sockets.pop(fd, None), self._ready
        if reads is None or ready is None:
            return
        ready.unregister(fd)
        self._calls[reads.call] -= 1
        self._calls += Counter()  # without those of which nothing is left
        if self._on_beat and len(self._calls) < _MANY // 2:
            self._on_beat = False
            if self._beat is not None:
                self._beat.cancel()
            self._read_at_once(ready)
        if not self._sockets:
            asyncio.get_running_loop().remove_reader(ready.fileno())
            ready.close()
            self._ready = None

    def _read_at_once(self, ready: select.epoll) -> None:
        outside().run(asyncio.get_running_loop().add_reader, ready.fileno(), self._read)

    def _read_on_beat(self) -> None:
        """Read, and again on the next beat; or in the loop's next turn, if more is left than fits into this one."""
        left = True
        try:
            left = self._read()
        finally:
            if self._on_beat:
                self._beat = self._later(left)

    def _later(self, left: bool) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        if left:
            return loop.call_soon(self._read_on_beat, context=outside())
        # uvloop counts whole milliseconds, so a timer may fire before its slot: it is not to fire for that one again.
        now = time.monotonic()
        self._slot = max(self._slot, int(now / _BEAT_S)) + 1
        return loop.call_later(self._slot * _BEAT_S - now, self._read_on_beat, context=outside())

    def _read(self) -> bool:
        """Read for a slice of time; whether something may be left, for which the loop calls again."""
        until = time.monotonic() + _SLICE_S
        while self._ready is not None and (ready := self._ready.poll(0, _AT_ONCE)):
            for fd, _ in ready:
                if (reads := self._sockets.get(fd)) is not None:  # else closed by one before it
                    reads.read()
            if time.monotonic() >= until:
                return True
        return False


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reader] = WeakKeyDictionary()
