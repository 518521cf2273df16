"""A bad network, seeded: loss, bursts, delay, jitter, duplicates, reordering and blackouts of UDP datagrams.

The kernel's own impairment (netem) needs a module and root that neither CI nor a container has, so datagrams are
impaired inside the process, under aioice's transport. ``Impairer`` is the pure part: what becomes of each datagram.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection

from openclaw_actors.transports.webrtc.aiortc_private import ice_connections


@dataclass(frozen=True, slots=True)
class Impairment:
    """How bad one direction is; the default is a perfect line.

    Args:
        loss: share of datagrams lost, 0 to 1, in the long run.
        burst: mean datagrams lost in a row (Gilbert's two-state model). Losses that are independent come
            1 / (1 - loss) in a row, so that is the least; 1 asks for it.
        delay_s: seconds that each datagram takes longer.
        jitter_s: at most so many seconds more, uniformly drawn; order is kept.
        duplicate: share that comes twice.
        reorder: share that is held back by 30 ms, past the one or two that follow it.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0


_REORDER_S = 0.03
PERFECT = Impairment()


class Impairer:
    """Decides the fate of one direction's datagrams.

    Args:
        impairment: how bad it is.
        rng: all chance comes from it, so that a seed names a run.
    """

    def __init__(self, impairment: Impairment, rng: random.Random) -> None:
        self._rng = rng
        self._losing = False
        self._last = float("-inf")
        self.become(impairment)

    def become(self, impairment: Impairment) -> None:
        """From now on the line is like this; what is on its way is not overtaken."""
        if not 0 <= impairment.loss < 1 or impairment.burst < 1:
            raise ValueError("loss must lie in [0, 1) and burst be at least 1")
        self.impairment = impairment

    def fate(self, now: float) -> list[float]:
        """The times at which a datagram sent at ``now`` arrives: none when lost, two when doubled."""
        if self._lost():
            return []
        bad = self.impairment
        at = now + bad.delay_s + (self._rng.uniform(0, bad.jitter_s) if bad.jitter_s else 0)
        if bad.reorder and self._rng.random() < bad.reorder:
            return [at + _REORDER_S]
        at = self._last = max(at, self._last)
        if bad.duplicate and self._rng.random() < bad.duplicate:
            return [at, at]
        return [at]

    def _lost(self) -> bool:
        """Gilbert: stay in the losing state with 1 - 1/burst, enter it so often that ``loss`` are lost."""
        bad = self.impairment
        if not bad.loss:
            return False
        leave = min(1 / bad.burst, 1 - bad.loss)
        enter = min(1.0, leave * bad.loss / (1 - bad.loss))
        if self._losing:
            self._losing = self._rng.random() >= leave
        else:
            self._losing = self._rng.random() < enter
        return self._losing


class LossyLink:
    """A bad line between one client and the host.

    Args:
        outbound: what becomes of the client's datagrams.
        inbound: what becomes of those it should receive.
        seed: names the run: the n-th media packet meets the same fate in each run, whatever else is sent.
    """

    def __init__(self, outbound: Impairment = PERFECT, inbound: Impairment = PERFECT, *, seed: int = 7) -> None:
        self.dark = False
        """While True nothing passes, either way: a tunnel, a lift."""
        self.sent = 0
        self.received = 0
        self.dropped = 0
        self.media_sent = 0
        """Of those sent, the media packets (RTP); and of them, those that were lost."""
        self.media_dropped = 0
        # Each kind has its own chance: reports and checks go by timers, which would shift the packets' fates.
        self._outbound = {media: Impairer(outbound, random.Random(f"{seed} out {media}")) for media in (True, False)}  # noqa: S311 - a simulation
        self._inbound = {media: Impairer(inbound, random.Random(f"{seed} in {media}")) for media in (True, False)}  # noqa: S311 - a simulation

    def change(self, outbound: Impairment = PERFECT, inbound: Impairment = PERFECT) -> None:
        """From now on the line is like this."""
        for media in (True, False):
            self._outbound[media].become(outbound)
            self._inbound[media].become(inbound)

    def attach(self, pc: RTCPeerConnection) -> None:
        """Impair a connection whose candidates are gathered: pass it as ``Caller(prepare=link.attach)``."""
        for connection in ice_connections(pc):
            protocols: list[Any] = connection._protocols  # noqa: SLF001 - aioice has no public way to its sockets
            for protocol in protocols:
                protocol.transport = _Outbound(protocol.transport, self)
                protocol.datagram_received = self._receiver(protocol.datagram_received)

    @contextmanager
    def blackout(self) -> Iterator[None]:
        """Nothing passes inside the ``with``."""
        self.dark = True
        try:
            yield
        finally:
            self.dark = False

    def _receiver(self, deliver: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
        def receive(data: bytes, address: Any) -> None:
            self.received += 1
            self._pass_on(self._inbound[is_media(data)], deliver, data, address)

        return receive

    def _pass_on(self, impairer: Impairer, deliver: Callable[[bytes, Any], None], data: bytes, address: Any) -> bool:
        """Deliver one datagram as its fate will have it; whether it comes at all."""
        loop = asyncio.get_running_loop()
        times = [] if self.dark else impairer.fate(loop.time())
        self.dropped += not times
        for at in times:
            if at <= loop.time():
                deliver(data, address)
            else:
                loop.call_at(at, deliver, data, address)
        return bool(times)

    def send(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> None:
        """Send one of the client's datagrams."""
        self.sent += 1

        def deliver(data: bytes, address: Any) -> None:
            if not transport.is_closing():
                transport.sendto(data, address)

        media = is_media(data)
        passed = self._pass_on(self._outbound[media], deliver, data, address)
        self.media_sent += media
        self.media_dropped += media and not passed


def is_media(datagram: bytes) -> bool:
    """Whether it is RTP, and neither RTCP (RFC 5761 section 4) nor anything else (RFC 7983)."""
    return len(datagram) > 1 and 128 <= datagram[0] <= 191 and not 64 <= datagram[1] & 0x7F <= 95


class _Outbound:
    """A datagram transport that sends through a LossyLink; all else is the real one's."""

    def __init__(self, transport: asyncio.DatagramTransport, link: LossyLink) -> None:
        self._transport = transport
        self._link = link

    def sendto(self, data: bytes, address: Any = None) -> None:
        self._link.send(self._transport, data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
