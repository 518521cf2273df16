"""Packets that are encoded when somebody comes to them.

A caller who interrupts throws away what was made and is not heard: with callers who interrupt each second answer that
was half of all packets, when whole phrases were encoded. So a phrase is handed on as sound, all of it, and its packets
are made as they leave, on the event loop: 46 µs each, where a pool's thread shared the core with the loop and waited
for the interpreter's lock each time. A host takes 0.91 of the processor's time so (`python -m tests.load.compare`);
whether one packet is made at a time, or 5 or 12, makes no difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import overload

from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

_SLICE = 30
"""Packets made ahead before the loop does something else: 1.4 ms."""


class PacketRun:
    """All packets of one encoder, in order. For one thread.

    Args:
        encode: makes a packet of the next 20 ms.
        size: bytes of PCM in a packet.
        silence: stands in for a packet that can't be made.
    """

    def __init__(self, encode: Callable[[bytes], bytes], size: int, silence: bytes) -> None:
        self._encode = encode
        self._size = size
        self._silence = silence
        self._count = 0
        self._made: list[bytes] = []
        self._pcm: deque[bytes] = deque()
        self._at = 0
        self._failed = False
        self._ended = False

    def end(self) -> None:
        """No more is pushed: the encoder, which takes 32 kB, is let go of with the last packet."""
        self._ended = True
        self._let_go()

    def _let_go(self) -> None:
        if self._ended and len(self._made) == self._count:
            self._encode = bytes

    def push(self, pcm: bytes) -> DuePackets:
        """The packets of ``pcm``, whose length is a multiple of ``size``."""
        first = self._count
        if pcm:
            self._pcm.append(pcm)
            self._count += len(pcm) // self._size
        return DuePackets(self, range(first, self._count))

    def packet(self, number: int) -> bytes:
        """One of those whose PCM is there; never raises."""
        while number >= len(self._made):
            self._made.append(self._next())
            self._let_go()
        return self._made[number]

    def _next(self) -> bytes:
        pcm, at = self._pcm[0], self._at
        self._at += self._size
        if self._at >= len(pcm):
            self._pcm.popleft()
            self._at = 0
        try:
            return self._encode(pcm[at : at + self._size])
        except Exception:  # who asks is the clock of all calls
            if not self._failed:
                log.exception("sound could not be encoded: silence takes its place")
            self._failed = True
            return self._silence


class DuePackets(Sequence[bytes]):
    """Some of a run's packets; to look at one is to have it, and all before it, encoded."""

    __slots__ = ("run", "span")

    def __init__(self, run: PacketRun, span: range) -> None:
        self.run = run
        self.span = span

    def __len__(self) -> int:
        return len(self.span)

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> DuePackets: ...

    def __getitem__(self, at: int | slice) -> bytes | DuePackets:
        if isinstance(at, slice):
            return DuePackets(self.run, self.span[at])
        return self.run.packet(self.span[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | DuePackets) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def followed_by(self, other: Sequence[bytes]) -> DuePackets | None:
        """Both as one, where ``other`` is what comes next in the same run."""
        if isinstance(other, DuePackets) and other.run is self.run and other.span.start == self.span.stop:
            return DuePackets(self.run, range(self.span.start, other.span.stop))
        return None


def joined(runs: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
    """All of them in order, without encoding what has not been yet, if they are pieces of one run."""
    whole: Sequence[bytes] = ()
    for packets in filter(None, runs):
        if not whole:
            whole = packets
            continue
        longer = whole.followed_by(packets) if isinstance(whole, DuePackets) else None
        whole = (*whole, *packets) if longer is None else longer
    return whole


async def encoded(packets: Sequence[bytes]) -> tuple[bytes, ...]:
    """All of them, made while the loop goes on."""
    for first in range(0, len(packets), _SLICE):
        _ = packets[min(first + _SLICE, len(packets)) - 1]
        await asyncio.sleep(0)
    return tuple(packets)


class PacketQueue:
    """Packets that are still to be sent, each looked at when it is taken."""

    __slots__ = ("_at", "_count", "_parts")

    def __init__(self, packets: Sequence[bytes] = ()) -> None:
        self._parts: deque[Sequence[bytes]] = deque()
        self._at = 0
        """Of the first part, so many are taken."""
        self._count = 0
        self.extend(packets)

    def __len__(self) -> int:
        return self._count

    def extend(self, packets: Sequence[bytes]) -> None:
        """Put them behind all others."""
        if packets:
            self._parts.append(packets)
            self._count += len(packets)

    def popleft(self) -> bytes:
        """Take the first. Raises IndexError when there is none."""
        part = self._parts[0]
        packet = part[self._at]
        self._at += 1
        self._count -= 1
        if self._at == len(part):
            self._parts.popleft()
            self._at = 0
        return packet

    def appendleft(self, packet: bytes) -> None:
        """Put one before all others."""
        if self._at:
            self._parts[0] = self._parts[0][self._at :]
            self._at = 0
        self._parts.appendleft((packet,))
        self._count += 1
