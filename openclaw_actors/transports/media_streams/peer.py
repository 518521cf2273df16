"""A caller on the telephone: a carrier's media stream, which may still be to come while their phone rings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.transports.inbound import Inbound
from openclaw_actors.transports.line_quality import LineQuality
from openclaw_actors.transports.media_streams.coalescing import Coalescer, Moderation
from openclaw_actors.transports.media_streams.framing import Digit, MarkEchoed, Media, Started, Stopped, StreamEvent
from openclaw_actors.transports.media_streams.leg import CarrierLeg
from openclaw_actors.transports.media_streams.sent_ahead import MARK_EVERY, SentAhead
from openclaw_actors.transports.media_streams.stream import (
    INTERNAL_ERROR,
    POLICY_VIOLATION,
    MediaStream,
    StreamFaultError,
)
from openclaw_actors.transports.peer import PacketSource, PeerListener, no_transfer

log = get_logger(__name__)

_TOP_UP_S = 0.1
"""The lead is topped up by 5 packets at a time: with one message a packet, 100 calls take 2.3 times the CPU."""
_SLACK = 240
"""Samples (30 ms): pieces that follow each other are taken as adjoining, whatever their timestamps' rounding says."""
_GRACE_S = 1.0
"""A carrier sends sound also when nobody speaks, and TCP loses none: what is late will come, so it is awaited for long.
Filled with silence after 60 ms, as a lost RTP packet is, a stall of the network would cost the caller a word."""
_PATIENCE_S = 0.1
"""Of carriers that do not keep the pieces' order: the one that is missing comes right behind the next. By its timestamp
it may seem overdue, when all that was held up comes at once."""
_HANG_UP_S = 5.0


class MediaStreamPeer:
    """The far end of a call by phone; implements ``transports.peer.Peer``.

    Args:
        carrier: its name.
        carrier_call_id: the carrier's name for the call, where it is known already.
        clock: monotonic seconds.
    """

    codec = PCMU

    def __init__(self, carrier: str, carrier_call_id: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.transport = carrier
        self.carrier_call_id = carrier_call_id
        self.leg: CarrierLeg | None = None
        """What ends and transfers the call at the carrier; without it only the stream can be closed."""
        self.state = "new"
        """new, ringing, connected or closed."""
        self._clock = clock
        self._source: PacketSource | None = None
        self._listener: PeerListener | None = None
        self._end: tuple[str, str] | None = None
        self._left = False
        """The carrier has ended the call, or it is somebody else's by now: nothing is to be hung up."""
        self._stopped = False
        """It has said that its stream is over."""
        self._stream: MediaStream | None = None
        self._stream_id = ""
        self._served = asyncio.Event()
        self._wake = asyncio.Event()
        self._clears = False
        self._ahead = SentAhead()
        self._line = LineQuality(carrier)
        self._inbound = Inbound(PCMU, self._line, grace=_GRACE_S, patience=_PATIENCE_S, clock=clock)
        self._sequence = 0
        self._chunk: int | None = None
        self._expected = 0
        self._closing: asyncio.Task[None] | None = None
        self._sent = metrics.rtp_packets_total.labels(direction="outbound")

    # --- as Peer ------------------------------------------------------------------------------------

    def attach(self, source: PacketSource, listener: PeerListener, start: int = 0) -> None:
        """Begin; see ``Peer.attach``. The listener is told what already is."""
        self._source, self._listener = source, listener
        source.send_ahead(self)
        self._inbound.attach(listener, start)
        if self._end is not None:
            listener.on_end(*self._end)
        if self.state != "new":
            listener.on_state(self.state)
        self._wake.set()

    def send_event(self, event: Mapping[str, Any]) -> None:
        """As Peer.send_event: a telephone has no way for it."""

    async def transfer(self, to: str) -> None:
        """As Peer.transfer."""
        if self.leg is None or self.state != "connected":
            raise no_transfer(self.transport)
        await self.leg.transfer(to)
        self._left = True

    async def aclose(self) -> None:
        """Close the stream, and hang up at the carrier unless it has; see ``Peer.aclose``."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(), name="close media stream")
        await asyncio.shield(self._closing)

    # --- what the carrier says beside the stream ------------------------------------------------------

    def ringing(self) -> None:
        """The phone that was dialled rings."""
        if self.state == "new":
            self._set_state("ringing")

    def ended(self, status: str, reason: str) -> None:
        """The carrier says that the call is over: completed, busy, no-answer, failed or canceled. The first counts."""
        self._left = True
        self._over(status, reason)

    # --- the stream -----------------------------------------------------------------------------------

    async def serve(self, stream: MediaStream, started: Started, moderation: Moderation) -> None:
        """Carry the call over this stream until it ends.

        Args:
            stream: has started.
            started: with this.
            moderation: how much of its sound is handed on at a time.

        Raises:
            StreamFaultError: the call has its stream already, or is over; or the carrier broke the protocol, and the
                call ends.
        """
        if self._stream is not None or self.state == "closed":
            raise StreamFaultError(POLICY_VIOLATION, "Unknown call")
        self._stream, self._stream_id = stream, started.stream_id
        self.carrier_call_id = started.carrier_call_id
        self._set_state("connected")
        coalescer = Coalescer(moderation, self._hand_on, self._clock)
        sending = asyncio.create_task(self._send(stream), name="media stream out")
        joins = coalescer if stream.framing.in_order else None

        def take(event: StreamEvent) -> bool:
            if isinstance(event, Media):
                self._hear(event, joins)
            else:
                self._take(event)
            return not self._stopped

        try:
            await stream.listen(take)
        finally:
            sending.cancel()
            coalescer.close()
            self._inbound.close()
            lost = stream.framing.says_stop and not self._stopped
            self._over("completed", "peer_closed" if lost else "caller_hangup")
            self._served.set()
            await asyncio.gather(sending, return_exceptions=True)

    def _take(self, event: StreamEvent) -> None:
        match event:
            case MarkEchoed(name):
                self._played(self._ahead.echoed(name, self._clock()))
                self._line.round_trip_s = self._ahead.round_trip_s
            case Digit(digit):
                if self._listener is not None:
                    self._listener.on_dtmf(digit)
            case Stopped():
                self._stopped = self._left = True
            case Started():
                raise StreamFaultError(POLICY_VIOLATION, "Duplicate start")

    def _hear(self, media: Media, coalescer: Coalescer | None) -> None:
        """Give the sound its place in time: a carrier may throw pieces away, and some do not keep their order.

        Args:
            media: a piece.
            coalescer: of a carrier that keeps the order: what is missing was lost, and nothing need wait for it.
        """
        now = self._clock()
        at = media.timestamp_ms * PCMU.clock_rate // 1000
        missing = 0 if self._chunk is None else media.chunk - self._chunk - 1
        adjoins = self._chunk is not None and missing == 0 and abs(at - self._expected) <= _SLACK
        if adjoins:
            at = self._expected
        elif missing > 0 and coalescer is not None:
            self._inbound.missed(missing)
        if missing >= 0:
            self._chunk, self._expected = media.chunk, at + len(media.payload)
        if coalescer is None:
            self._inbound.receive(RtpAudio(media.chunk & 0xFFFF, at & 0xFFFF_FFFF, media.payload, now))
        elif missing < 0:  # a repetition, or of another count: nothing that comes next adjoins it
            coalescer.flush()
            self._hand_on(at, media.payload, 1, now)
        else:
            coalescer.take(at, media.payload, now, adjoins=adjoins)

    def _hand_on(self, at: int, payload: bytes, pieces: int, came_at: float) -> None:
        self._sequence += 1
        packet = RtpAudio(self._sequence & 0xFFFF, at & 0xFFFF_FFFF, payload, came_at)
        self._inbound.receive(packet, pieces)

    def _played(self, packets: int) -> None:
        if packets and self._source is not None:
            self._source.heard(packets)
            self._wake.set()

    # --- our voice (FarBuffer) ------------------------------------------------------------------------

    def clear(self) -> None:
        """As FarBuffer.clear."""
        self._ahead.clear()
        self._clears = True
        self._wake.set()

    def more(self) -> None:
        """As FarBuffer.more."""
        self._wake.set()

    async def _send(self, stream: MediaStream) -> None:
        """Keep the far end's buffer filled as far as it may be."""
        try:
            while True:
                self._wake.clear()
                wait = await self._top_up(stream)
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
        except StreamFaultError as fault:
            log.warning("media stream closed", code=fault.code, reason=fault.reason)
            await stream.close(fault.code, fault.reason)
        except ConnectionError:
            pass  # the reading side finds that out too, and ends the call
        except Exception:
            log.exception("media stream: our voice failed")
            await stream.close(INTERNAL_ERROR, "Internal error")

    async def _top_up(self, stream: MediaStream) -> float | None:
        """Send what may be sent now; seconds until more may be, None: something must happen first."""
        framing, ahead = stream.framing, self._ahead
        while True:
            if self._clears:
                self._clears = False
                await stream.send(framing.clear(self._stream_id))
            now = self._clock()
            self._miss(ahead.overdue(now))
            room = min(ahead.room(now), MARK_EVERY - ahead.unmarked)
            packets = self._packets(room)
            if packets:
                ahead.sent(len(packets), now)
                self._sent.inc(len(packets))
                await stream.send(framing.media(self._stream_id, b"".join(packets)))
            if self._clears:
                continue  # while that was sent, it was taken back
            if ahead.unmarked and (ahead.unmarked >= MARK_EVERY or len(packets) < room):
                await stream.send(framing.mark(self._stream_id, ahead.mark(now)))
            if len(packets) < room or not room:
                return self._wait(now, is_dry=bool(room))

    def _packets(self, room: int) -> list[bytes]:
        packets: list[bytes] = []
        while len(packets) < room and self._source is not None:
            packet = self._source.send_packet()
            if packet is None:
                break
            packets.append(packet)
        return packets

    def _wait(self, now: float, *, is_dry: bool) -> float | None:
        overdue = self._ahead.overdue_at
        left = None if overdue is None else max(0.0, overdue - now)
        if is_dry:
            return left
        return _TOP_UP_S if left is None else min(_TOP_UP_S, left)

    def _miss(self, packets: int) -> None:
        if packets:
            log.warning("media stream: the carrier did not tell what it has played", carrier=self.transport)
            self._played(packets)

    # --- the end --------------------------------------------------------------------------------------

    def _over(self, status: str, reason: str) -> None:
        if self._end is not None:
            return
        self._end = (status, reason)
        if self._listener is not None:
            self._listener.on_end(status, reason)
        self._set_state("closed")

    def _set_state(self, state: str) -> None:
        if self.state in {state, "closed"}:
            return
        self.state = state
        if self._listener is not None:
            self._listener.on_state(state)

    async def _close(self) -> None:
        hang_up = not self._left
        self._over("completed", "closed")
        if self._stream is not None:
            await self._stream.close()
            await self._served.wait()
        if hang_up and self.leg is not None:
            await self._hang_up(self.leg)
        if self._source is not None:
            self._source.send_ahead(None)
        self._source = self._listener = None

    async def _hang_up(self, leg: CarrierLeg) -> None:
        try:
            async with asyncio.timeout(_HANG_UP_S):
                await leg.hang_up()
        except (RefusalError, TimeoutError) as error:
            log.warning("the carrier could not be told to hang up", carrier=self.transport, reason=str(error))
        except Exception:  # the call's end must go on
            log.exception("the carrier could not be told to hang up", carrier=self.transport)
