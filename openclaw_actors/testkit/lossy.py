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
        burst: mean datagrams lost in a row (Gilbert's two-state model; 1: losses are independent).
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
        if not 0 <= impairment.loss < 1 or impairment.burst < 1:
            raise ValueError("loss must lie in [0, 1) and burst be at least 1")
        self.impairment = impairment
        self._rng = rng
        self._losing = False
        self._last = float("-inf")

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
        leave = 1 / bad.burst
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
        seed: names the run.
    """

    def __init__(self, outbound: Impairment = PERFECT, inbound: Impairment = PERFECT, *, seed: int = 7) -> None:
        rng = random.Random(seed)  # noqa: S311 - a simulation
        self._outbound = Impairer(outbound, rng)
        self._inbound = Impairer(inbound, rng)
        self.dark = False
        """While True nothing passes, either way: a tunnel, a lift."""
        self.sent = 0
        self.received = 0
        self.dropped = 0

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
            self.pass_on(self._inbound, deliver, data, address)

        return receive

    def pass_on(self, impairer: Impairer, deliver: Callable[[bytes, Any], None], data: bytes, address: Any) -> None:
        """Deliver one datagram as its fate will have it."""
        loop = asyncio.get_running_loop()
        times = [] if self.dark else impairer.fate(loop.time())
        self.dropped += not times
        for at in times:
            if at <= loop.time():
                deliver(data, address)
            else:
                loop.call_at(at, deliver, data, address)

    def send(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> None:
        """Send one of the client's datagrams."""
        self.sent += 1

        def deliver(data: bytes, address: Any) -> None:
            if not transport.is_closing():
                transport.sendto(data, address)

        self.pass_on(self._outbound, deliver, data, address)


class _Outbound:
    """A datagram transport that sends through a LossyLink; all else is the real one's."""

    def __init__(self, transport: asyncio.DatagramTransport, link: LossyLink) -> None:
        self._transport = transport
        self._link = link

    def sendto(self, data: bytes, address: Any = None) -> None:
        self._link.send(self._transport, data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
