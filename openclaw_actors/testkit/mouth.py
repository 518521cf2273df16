"""What a scripted caller's microphone sends: ready Opus packets on an absolute 20 ms clock that reports its lag."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from openclaw_actors.media.codecs import OPUS, Codec
from openclaw_actors.messages import FRAME, SAMPLE_RATE
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError

PACKET_S = FRAME / SAMPLE_RATE
"""Seconds in a packet."""
_EARLY_S = 0.002
"""A pacer's timer may fire so much before its time (uvloop counts whole milliseconds)."""


@dataclass
class Utterance:
    """One thing said, with the monotonic times at which its voice left."""

    speech: Speech
    packets: deque[bytes]
    voiced_first: int
    voiced_last: int
    done: asyncio.Future[None]
    sent: int = 0
    began_at: float = 0.0
    """When the frame that holds the first voiced sample was sent."""
    ended_at: float = 0.0
    """When the frame that holds the last voiced sample was sent: the end of speech that latencies count from."""

    @classmethod
    def of(cls, speech: Speech, packets: tuple[bytes, ...]) -> Utterance:
        """Make ready to say ``speech``, encoded as ``packets``."""
        return cls(
            speech,
            deque(packets),
            voiced_first=speech.voiced_start_sample // FRAME,
            voiced_last=max(0, speech.voiced_end_sample - 1) // FRAME,
            done=asyncio.get_running_loop().create_future(),
        )

    def next_packet(self, now: float) -> bytes:
        """The next packet, noting the times of the voice's first and last."""
        if self.sent == self.voiced_first:
            self.began_at = now
        if self.sent == self.voiced_last:
            self.ended_at = now
        self.sent += 1
        return self.packets.popleft()


@dataclass
class Pacing:
    """How late this client's own packets left: a run whose p99 is over 10 ms says nothing about the host."""

    lags: list[float] = field(default_factory=list)

    def p99(self) -> float:
        """Seconds; 0 before the first packet."""
        return sorted(self.lags)[int(len(self.lags) * 0.99)] if self.lags else 0.0


class Mouth(MediaStreamTrack):
    """The caller's outbound track; silence when there is nothing to say.

    Args:
        codec: OPUS or PCMU, as negotiated; may be set until the first packet.
        on_tick: called after each packet with the monotonic time; a caller's waits are checked there too.
    """

    kind = "audio"

    def __init__(self, on_tick: Callable[[float], None]) -> None:
        super().__init__()
        self.codec: Codec = OPUS
        self.pacing = Pacing()
        self.live: deque[bytes] = deque(maxlen=10)
        """Packets of a real microphone: at most 200 ms wait here, then the oldest are dropped."""
        self._on_tick = on_tick
        self._queue: deque[Utterance] = deque()
        self._began: float | None = None
        self._sent = 0

    def say(self, speech: Speech) -> Utterance:
        """Queue ``speech``; its ``done`` is set when the last packet has left."""
        utterance = Utterance.of(speech, speech.packets if self.codec is OPUS else speech.pcmu_packets)
        self._queue.append(utterance)
        return utterance

    # aiortc's sender takes ready packets too, which spares it the encoder; its types name frames alone.
    async def recv(self) -> av.Packet[Any]:
        """The packet that is due now; aiortc's sender has no clock of its own."""
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._began is None:
            self._began = now
        due = self._began + self._sent * PACKET_S
        if due > now:
            await asyncio.sleep(due - now)
            now = time.monotonic()
        payload, timestamp = self._due(now, now - due)
        packet = av.Packet(payload)
        packet.pts = timestamp
        packet.time_base = Fraction(1, self.codec.clock_rate)
        self._on_tick(now)
        return packet

    def send_due(self, now: float, send: Callable[[bytes, int], None]) -> None:
        """Send all that is due at ``now``, by ``send(payload, timestamp)``: on a pacer's clock, for many callers."""
        if self._began is None:
            self._began = now
        while (lag := now - self._began - self._sent * PACKET_S) >= -_EARLY_S:
            send(*self._due(now, max(0.0, lag)))
        self._on_tick(now)

    def _due(self, now: float, lag: float) -> tuple[bytes, int]:
        """The next packet and its timestamp; it leaves ``lag`` seconds late."""
        self.pacing.lags.append(lag)
        timestamp = self._sent * self.codec.clock_rate // 50
        self._sent += 1
        return self._next(now), timestamp

    def _next(self, now: float) -> bytes:
        while self._queue and not self._queue[0].packets:
            done = self._queue.popleft().done
            if not done.done():
                done.set_result(None)
        if self._queue:
            return self._queue[0].next_packet(now)
        return self.live.popleft() if self.live else self.codec.silence

    def hush(self) -> None:
        """Break off, from the next packet on."""
        while self._queue:
            done = self._queue.popleft().done
            if not done.done():
                done.set_result(None)

    def stop(self) -> None:
        """End the track; who waits for something to be said gets a CallEndedError."""
        super().stop()
        while self._queue:
            done = self._queue.popleft().done
            if not done.done():
                done.set_exception(CallEndedError("the call ended before all was said"))
                done.exception()  # seen: nobody need be waiting for it
