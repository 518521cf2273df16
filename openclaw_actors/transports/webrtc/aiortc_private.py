"""The one file that knows private names of aiortc (1.16); tests/contracts/test_aiortc.py fails when they change.

What is done with them:

- ``RTCRtpReceiver`` hands each packet to its jitter buffer's ``add`` and what that returns, one frame at most, to
  a queue that a decoder thread reads. Both are replaced before media flows, so that encoded packets come to us on
  the event loop: decoding them there takes 20-40 µs, which is less than the hand-over from a thread (17 µs and a
  wake-up), and saves one thread a call. The thread still starts, finds the queue closed, and ends.
- A datagram passes a queue, a task and five coroutines on its way to that receiver, and each packet of ours a timer,
  a task and four on its way out. `DirectReceiver` and `send_directly` go from the socket to the sink, and from the
  pacer to the socket, in one call each. What they are not made for (the first packet of a source, RTCP, DTLS) goes
  the stock way.
- ``RTCRtpSender`` keeps what the far end reports of our sound in its ``stats``; ``getStats`` would add much else.
- What ``RTCRtpReceiver`` and its router keep of each source (SSRC) is bounded: it only grows.
- ``RTCPeerConnection.close`` waits for each part in its turn: `close` waits for so long, and closes the sockets.
- ``RTCIceGatherer`` and ``RTCIceTransport`` keep their aioice connection as ``_connection``; ice.py guards it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from functools import partial
from struct import Struct, unpack_from
from typing import Any, Protocol

import aioice
import pylibsrtp
from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, clock
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensions, RtpPacket
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.transports.webrtc.ice import close_sockets, send_datagram
from openclaw_actors.transports.webrtc.pacer import Pacer

log = get_logger(__name__)

PacketSink = Callable[[RtpAudio], None]
"""Takes a received packet, on the event loop; it must not raise, or the connection's reading task would end."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
_CODECS = "_RTCRtpReceiver__codecs"
_STREAMS = "_RTCRtpReceiver__remote_streams"
_OF_EACH_SOURCE = ("_RTCRtpReceiver__active_ssrc", "_RTCRtpReceiver__lsr", "_RTCRtpReceiver__lsr_time", _STREAMS)
_SENDER = "_RTCRtpSender__"

_HEADER = Struct("!BBHLL")
_HEADER_BYTES = 12
_HAS_PADDING, _HAS_EXTENSION, _SOURCES = 0x20, 0x10, 0x0F
_MARKER = 0x80
"""RFC 3550 section 5.1. The marker stands in each packet of ours, as in aiortc's own."""
_MOST_SOURCES = 8
"""A browser changes its source when it changes its microphone. aiortc remembers each and reports on all of them: at 60
the report is longer than SRTP holds, the task that sends it ends, and the connection never closes."""
_MOST_SOURCES_EVER = 500
"""Of one call on the direct road; packets of further ones are dropped. libsrtp never forgets a source and looks through
all of them for each packet: 30,000 cost 369 µs a packet, on a loop that all calls share."""
_STOP_S = 1.0
"""For what needs to be stopped beside a part that hangs: each is a datagram or two to the far end."""
_SR_EVERY = 25
"""Packets, half a second: so often the numbers of aiortc's sender reports are brought up to date. A report is a pair of
clocks that were read at once, so an older pair is as true."""


class _Latest(dict[int, Any]):
    """In place of what is kept of each source: of the latest _MOST_SOURCES alone."""

    taken = 0
    """How many came."""

    def __setitem__(self, source: int, kept: Any) -> None:
        if source not in self:
            self.taken += 1
            if len(self) >= _MOST_SOURCES:
                del self[next(iter(self))]
        super().__setitem__(source, kept)


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
    _require(receiver, _JITTER_BUFFER, _DECODER_QUEUE, *_OF_EACH_SOURCE)
    for kept in _OF_EACH_SOURCE:
        setattr(receiver, kept, _Latest(getattr(receiver, kept)))
    router = receiver.transport._rtp_router  # noqa: SLF001 - this file's office
    router.ssrc_table = _Latest(router.ssrc_table)
    if not stock:
        setattr(receiver, _JITTER_BUFFER, _Tap(sink, clock))
    setattr(receiver, _DECODER_QUEUE, _DecoderQueue(sink, clock))


class DirectReceiver:
    """Takes RTP from the socket to the sink in one call: ``IceGuard.direct``.

    A source (SSRC) whose first packet went the stock way is known to aiortc's router and statistics; from then on its
    packets are taken here, decrypted and counted for the receiver reports. Together with
    ``send_directly`` and Opus at 16 kHz (media/decoders.py), 12 calls take 3.6 % of a core each in place of 4.8.

    Args:
        receiver: whose packets they are; `tap_receiver` has been called for it.
        sink: takes the packets.
        clock: monotonic seconds.
    """

    def __init__(self, receiver: RTCRtpReceiver, sink: PacketSink, clock: Callable[[], float] = time.monotonic) -> None:
        _require(receiver, _CODECS, _STREAMS)
        _require(receiver.transport, "_rx_srtp")
        self._receiver = receiver
        self._codecs: dict[int, Any] = getattr(receiver, _CODECS)
        self._streams: _Latest = getattr(receiver, _STREAMS)
        self._sink = sink
        self._clock = clock
        self._counted = RtpPacket()
        self._forged = metrics.datagrams_dropped_total.labels(reason="unauthentic")
        self._strange = metrics.datagrams_dropped_total.labels(reason="sources")

    def __call__(self, data: bytes) -> bool:
        """Whether the datagram was RTP of a known source, or of one too many, and so is done with."""
        if len(data) < _HEADER_BYTES:
            return False
        first, kind, sequence, timestamp, source = _HEADER.unpack_from(data)
        statistics = self._streams.get(source)
        srtp = self._receiver.transport._rx_srtp  # noqa: SLF001 - this file's office
        if kind & ~_MARKER not in self._codecs or srtp is None:
            return False
        if statistics is None:
            return self._is_one_too_many()
        if not self._receiver._enabled:  # noqa: SLF001 - as above
            return True
        try:
            packet = srtp.unprotect(data)
        except pylibsrtp.Error:  # forged, damaged, or come a second time
            self._forged.inc()
            return True
        counted = self._counted
        counted.sequence_number, counted.timestamp = sequence, timestamp
        statistics.add(counted)
        payload = _payload(packet, first)
        if payload is not None:
            self._sink(RtpAudio(sequence, timestamp, payload, self._clock(), source))
        return True

    def _is_one_too_many(self) -> bool:
        """Whether no further source is taken."""
        if self._streams.taken < _MOST_SOURCES_EVER:
            return False
        self._strange.inc()
        return True


def _payload(packet: bytes, first: int) -> bytes | None:
    """What lies behind the header and before the padding (RFC 3550 section 5.1); None when it is cut short."""
    begin, end = _HEADER_BYTES + 4 * (first & _SOURCES), len(packet)
    if first & _HAS_EXTENSION:
        if end < begin + 4:
            return None
        begin += 4 + 4 * int(unpack_from("!H", packet, begin + 2)[0])
    if first & _HAS_PADDING:
        padding = packet[-1]
        if not padding:
            return None
        end -= padding
    return packet[begin:end] if begin <= end else None


class PacedTrack(Protocol):
    """A track whose packets leave on a pacer's clock, as transports/webrtc/outbound.py's do."""

    def send_due(self, now: float, send: Callable[[bytes, int], None]) -> None:
        """Send all that is due at ``now``, by ``send(payload, timestamp)``."""

    def stop(self) -> None:
        """No more is sent."""


def send_directly(sender: RTCRtpSender, track: PacedTrack, pacer: Pacer) -> None:
    """Let a sender's packets leave on the pacer's clock instead of from a task; call it before the connection stands.

    What it saves: see DirectReceiver.
    """
    _require(sender, *(_SENDER + name for name in ("rtp_started", "rtp_exited", "mid", "rtp_header_extensions_map")))
    _require(sender, *(_SENDER + name for name in ("ntp_timestamp", "rtp_timestamp", "octet_count", "packet_count")))
    _require(sender, "_run_rtp", "_ssrc", "_enabled")
    # of this one; `send` makes its task of it
    sender._run_rtp = partial(_send_until_cancelled, sender, track, pacer)  # type: ignore[method-assign] # noqa: SLF001


async def _send_until_cancelled(sender: RTCRtpSender, track: PacedTrack, pacer: Pacer, codec: Any) -> None:
    """In place of ``RTCRtpSender._run_rtp``."""
    getattr(sender, _SENDER + "rtp_started").set()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stream = _OutboundStream(sender, codec.payloadType)

    def send(payload: bytes, timestamp: int) -> None:
        try:
            stream.send(payload, timestamp)
        except ConnectionError:
            if not ended.done():
                ended.set_result(None)
        except Exception:  # that packet's loss: raised to the pacer, it would end the caller's sound for good
            if not stream.complained:
                stream.complained = True
                log.exception("a packet could not be sent")

    def tick(now: float) -> None:
        track.send_due(now, send)

    pacer.add(tick)
    try:
        await ended
    except asyncio.CancelledError:
        pass  # as in aiortc: `stop` cancels, and waits for rtp_exited
    finally:
        pacer.remove(tick)
        track.stop()
        getattr(sender, _SENDER + "rtp_exited").set()


class _OutboundStream:
    """One source of RTP: numbers, header, encryption, and aiortc's counts for its sender reports."""

    def __init__(self, sender: RTCRtpSender, payload_type: int) -> None:
        _require(sender.transport, "_tx_srtp", "_state", "transport")
        self._sender = sender
        self._transport: RTCDtlsTransport = sender.transport
        self._connection: aioice.Connection = sender.transport.transport._connection  # noqa: SLF001 - this file's office
        self._origin = random.getrandbits(32)
        self._sequence = random.getrandbits(
            15
        )  # below 2^15, so that SRTP's roll-over is not met by a lost first packet
        self._kind = _MARKER | payload_type
        self._octets = self._packets = 0
        self.complained = False
        extensions = HeaderExtensions()
        extensions.mid = getattr(sender, _SENDER + "mid")
        profile, value = getattr(sender, _SENDER + "rtp_header_extensions_map").set(extensions)
        self._first = 2 << 6 | (_HAS_EXTENSION if value else 0)
        self._extension = Struct("!HH").pack(profile, len(value) >> 2) + value if value else b""

    def send(self, payload: bytes, timestamp: int) -> None:
        """Send one packet.

        Raises:
            ConnectionError: the connection is over.
        """
        sender = self._sender
        if not sender._enabled:  # noqa: SLF001 - as above
            return
        if self._transport._state is not State.CONNECTED:  # noqa: SLF001 - as above
            raise ConnectionError("DTLS is closed")
        at = (self._origin + timestamp) & 0xFFFF_FFFF
        header = _HEADER.pack(self._first, self._kind, self._sequence, at, sender._ssrc)  # noqa: SLF001 - as above
        packet = self._transport._tx_srtp.protect(header + self._extension + payload)  # noqa: SLF001 - as above
        send_datagram(self._connection, packet)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._octets += len(payload)
        if self._packets % _SR_EVERY == 0:
            setattr(sender, _SENDER + "ntp_timestamp", clock.current_ntp_time())
            setattr(sender, _SENDER + "rtp_timestamp", at)
            setattr(sender, _SENDER + "octet_count", self._octets)
            setattr(sender, _SENDER + "packet_count", self._packets + 1)
        self._packets += 1


def receiver_report(peer: RTCPeerConnection) -> RTCRemoteInboundRtpStreamStats | None:
    """What the far end last said of our sound (RTCP); None while it has said nothing."""
    for sender in peer.getSenders():
        for stats in getattr(sender, _SENDER + "stats").values():
            if isinstance(stats, RTCRemoteInboundRtpStreamStats):
                return stats
    return None


def ice_connections(peer: RTCPeerConnection) -> list[aioice.Connection]:
    """The aioice connections of a peer, each once: one when everything is bundled."""
    gatherers = [transport.transport.iceGatherer for transport in _transports(peer)]
    return list(dict.fromkeys(gatherer._connection for gatherer in gatherers))  # noqa: SLF001 - this file's office


async def close(peer: RTCPeerConnection, seconds: float) -> None:
    """Close a peer and its sockets, whatever hangs; never raises.

    ``RTCPeerConnection.close`` stops one part behind the other, the sockets last: one that hangs or fails would leave
    them open for good. What has not come to its end after ``seconds`` is left behind.
    """
    try:
        if not await _in_time(peer.close(), seconds):
            media = [part for line in peer.getTransceivers() for part in (line.receiver, line.sender)]
            await asyncio.gather(*(_in_time(part.stop(), _STOP_S) for part in media))
            for transport in _transports(peer):
                await _in_time(transport.stop(), _STOP_S)
                await _in_time(transport.transport.stop(), _STOP_S)
    finally:
        for connection in ice_connections(peer):
            close_sockets(connection)


async def _in_time(stops: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Whether it has come to its end; what takes longer is cancelled, and not waited for."""
    task = asyncio.create_task(stops)
    part = getattr(stops, "__qualname__", "")
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
        log.warning("a part of a connection does not close in time", part=part, seconds=seconds)
        return False
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is not None:
        log.error("a part of a connection does not close", part=part, error=repr(error))
    return error is None


def _transports(peer: RTCPeerConnection) -> list[RTCDtlsTransport]:
    """The DTLS transports of a peer, each once."""
    transports = [receiver.transport for receiver in peer.getReceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    return list(dict.fromkeys(transports))


def _require(owner: object, *names: str) -> None:
    for name in names:
        if not hasattr(owner, name):
            raise RuntimeError(
                f'aiortc has no {name} any more: see {__name__}, and set webrtc.rtp = "stock" until then'
            )
