"""The one file that knows private names of aiortc (1.16); tests/contracts/test_aiortc.py fails when they change.

Three of them are used:

- ``RTCRtpReceiver`` hands each packet to its jitter buffer's ``add`` and what that returns, one frame at most, to
  a queue that a decoder thread reads. Both are replaced before media flows, so that encoded packets come to us on
  the event loop: decoding them there takes 20-40 µs, which is less than the hand-over from a thread (17 µs and a
  wake-up), and saves one thread a call. The thread still starts, finds the queue closed, and ends.
- ``RTCRtpSender`` keeps what the far end reports of our sound in its ``stats``; ``getStats`` would add much else.
- ``RTCIceGatherer`` and ``RTCIceTransport`` keep their aioice connection as ``_connection``; ice.py guards it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import aioice
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from openclaw_actors.media.jitter import RtpAudio

PacketSink = Callable[[RtpAudio], None]
"""Takes a received packet, on the event loop; it must not raise, or the connection's reading task would end."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
_SENDER_STATS = "_RTCRtpSender__stats"


class _Tap:
    """In place of the jitter buffer: passes each packet on as it arrives and never returns a frame."""

    def __init__(self, sink: PacketSink, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """The interface of aiortc's buffer: (send a picture loss indication, a frame to decode)."""
        data: bytes = packet._data  # type: ignore[attr-defined]  # noqa: SLF001 - the depayloaded packet
        self._sink(RtpAudio(packet.sequence_number, packet.timestamp, data, self._clock(), packet.ssrc))
        return False, None


class _DecoderQueue:
    """In place of the decoder's queue: closed for the thread, and a sink for what aiortc's own buffer releases."""

    def __init__(self, sink: PacketSink, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._released = 0

    def get(self) -> None:
        """What the decoder thread reads: the end."""

    def put(self, task: tuple[Any, JitterFrame] | None) -> None:
        """A frame of aiortc's jitter buffer, in order; its place in the order becomes its number."""
        if task is not None:
            frame = task[1]
            sequence = self._released & 0xFFFF
            self._released += 1
            self._sink(RtpAudio(sequence, frame.timestamp & 0xFFFF_FFFF, frame.data, self._clock()))


def tap_receiver(
    receiver: RTCRtpReceiver,
    sink: PacketSink,
    *,
    stock: bool,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Lead a receiver's packets to ``sink`` instead of its decoder; call it before the media begin.

    Args:
        receiver: of ``RTCPeerConnection.getReceivers()``.
        sink: takes the packets.
        stock: packets pass aiortc's own jitter buffer first.
        clock: monotonic seconds.
    """
    for name in (_JITTER_BUFFER, _DECODER_QUEUE):
        if not hasattr(receiver, name):
            raise RuntimeError(f"aiortc has no {name} any more: see {__name__}")
    if not stock:
        setattr(receiver, _JITTER_BUFFER, _Tap(sink, clock))
    setattr(receiver, _DECODER_QUEUE, _DecoderQueue(sink, clock))


def receiver_report(peer: RTCPeerConnection) -> RTCRemoteInboundRtpStreamStats | None:
    """What the far end last said of our sound (RTCP); None while it has said nothing."""
    for sender in peer.getSenders():
        for stats in getattr(sender, _SENDER_STATS).values():
            if isinstance(stats, RTCRemoteInboundRtpStreamStats):
                return stats
    return None


def ice_connections(peer: RTCPeerConnection) -> list[aioice.Connection]:
    """The aioice connections of a peer, each once: one when everything is bundled."""
    transports = [receiver.transport for receiver in peer.getReceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    gatherers = [transport.transport.iceGatherer for transport in transports]
    return list(dict.fromkeys(gatherer._connection for gatherer in gatherers))  # noqa: SLF001 - this file's office
