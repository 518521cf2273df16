"""The track that the caller hears: ready packets on a 20 ms clock that does not drift."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack

from openclaw_actors.media.codecs import Codec
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.transports.peer import PacketSource

log = get_logger(__name__)

PACKET_S = 0.02
_SKIP_AFTER_S = 0.1
"""Later than that, time is skipped instead of made up by a burst, which the caller's jitter buffer would keep as
delay for long. It is far above the lag of a healthy loop: p99 4 ms at 20 calls."""
_OBSERVE_EVERY = 16


class OutboundTrack(MediaStreamTrack):
    """Sends one packet of a PacketSource each 20 ms, or silence where there is none.

    aiortc's sender has no clock of its own: it sends whenever ``recv`` returns. Packets pass it as they are, with
    no level meter, no executor, no encoder.

    Args:
        codec: of the packets; its clock rate counts the timestamps.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
    """

    kind = "audio"

    def __init__(
        self,
        codec: Codec,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self.source: PacketSource | None = None
        """Where packets are taken from; may be set and cleared at any time."""
        self._codec = codec
        self._clock = clock
        self._sleep = sleep
        self._time_base = Fraction(1, codec.clock_rate)
        self._step = round(codec.clock_rate * PACKET_S)
        self._began: float | None = None
        self._slot = 0
        self._sent = 0
        self._complained = False
        self._counter = metrics.rtp_packets_total.labels(direction="outbound")

    async def recv(self) -> av.Packet[Any]:
        """The packet for the next 20 ms, when it is due. Never raises but to be cancelled."""
        await self._wait_for_slot()
        packet = self._packet()
        packet.pts = self._slot * self._step
        packet.time_base = self._time_base
        self._slot += 1
        self._sent += 1
        self._counter.inc()
        return packet

    async def _wait_for_slot(self) -> None:
        now = self._clock()
        if self._began is None:
            self._began = now
        early = self._began + self._slot * PACKET_S - now
        if early > 0:
            await self._sleep(early)
            early = self._began + self._slot * PACKET_S - self._clock()
        lag = max(0.0, -early)
        if self._sent % _OBSERVE_EVERY == 0:
            metrics.pacing_lag_seconds.observe(lag)
        if lag > _SKIP_AFTER_S:
            self._slot += int(lag / PACKET_S + 1e-6)  # a float may be a hair short of a whole slot

    def _packet(self) -> av.Packet[Any]:
        if self.source is not None:
            try:
                return av.Packet(self.source.next_packet())
            except Exception:  # an exception here would end the caller's sound for good
                if not self._complained:
                    self._complained = True
                    log.exception("packet source failed, playing silence")
        return av.Packet(self._codec.silence)
