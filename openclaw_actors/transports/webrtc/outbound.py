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
from openclaw_actors.observability.tally import Tally
from openclaw_actors.transports.peer import PacketSource
from openclaw_actors.transports.webrtc.pacer import PACKET_S

log = get_logger(__name__)

_SKIP_AFTER_S = 0.1
"""Later than that, time is skipped instead of made up by a burst, which the caller's jitter buffer would keep as
delay for long. It is far above the lag of a healthy loop: p99 4 ms at 20 calls."""
_EARLY_S = 0.002
"""A timer may fire so much before its time (uvloop counts whole milliseconds)."""
_OBSERVE_EVERY = 16


class OutboundTrack(MediaStreamTrack):
    """Gives one packet of a PacketSource each 20 ms, or silence where there is none.

    Packets are taken as they are, with no level meter, no executor, no encoder: by ``send_due``, on a pacer's clock,
    or by ``recv``, as aiortc's own sender does, which has no clock and sends whenever that returns.

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
        self._tally = Tally(metrics.rtp_packets_total.labels(direction="outbound"))

    def send_due(self, now: float, send: Callable[[bytes, int], None]) -> None:
        """Send all that is due at ``now``, by ``send(payload, timestamp)``; what is too late is skipped."""
        if self._began is None:
            self._began = now
        self._skip(now - self._due())
        while self._due() <= now + _EARLY_S:
            send(self._payload(), self._slot * self._step)
            self._slot += 1
            self._tally.more()

    def stop(self) -> None:
        """No more is sent."""
        super().stop()
        self._tally.settle()

    async def recv(self) -> av.Packet[Any]:
        """The packet for the next 20 ms, when it is due. Never raises but to be cancelled."""
        await self._wait_for_slot()
        packet = av.Packet(self._payload())
        packet.pts = self._slot * self._step
        packet.time_base = self._time_base
        self._slot += 1
        self._sent += 1
        self._tally.more()
        return packet

    async def _wait_for_slot(self) -> None:
        now = self._clock()
        if self._began is None:
            self._began = now
        early = self._due() - now
        if early > 0:
            await self._sleep(early)
            early = self._due() - self._clock()
        lag = max(0.0, -early)
        if self._sent % _OBSERVE_EVERY == 0:
            metrics.pacing_lag_seconds.observe(lag)
        self._skip(lag)

    def _due(self) -> float:
        return (self._began or 0.0) + self._slot * PACKET_S

    def _skip(self, lag: float) -> None:
        if lag > _SKIP_AFTER_S:
            self._slot += int(lag / PACKET_S + 1e-6)  # a float may be a hair short of a whole slot

    def _payload(self) -> bytes:
        if self.source is not None:
            try:
                return self.source.next_packet()
            except Exception:  # an exception here would end the caller's sound for good
                if not self._complained:
                    self._complained = True
                    log.exception("packet source failed, playing silence")
        return self._codec.silence
