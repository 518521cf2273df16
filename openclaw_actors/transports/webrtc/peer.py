"""A caller over WebRTC: an RTCPeerConnection that answers one offer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiortc import InvalidStateError, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import OPUS, Codec
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Limits, WebRtc
from openclaw_actors.transports.inbound import Inbound
from openclaw_actors.transports.line_quality import Leg, LineQuality
from openclaw_actors.transports.peer import PacketSource, PeerListener, no_transfer
from openclaw_actors.transports.webrtc.aiortc_private import (
    DirectReceiver,
    close,
    ice_connections,
    receiver_report,
    send_directly,
    tap_receiver,
)
from openclaw_actors.transports.webrtc.data_channel import EventChannel
from openclaw_actors.transports.webrtc.ice import IceGuard
from openclaw_actors.transports.webrtc.ice_servers import configuration, ice_servers_for_client
from openclaw_actors.transports.webrtc.outbound import OutboundTrack
from openclaw_actors.transports.webrtc.pacer import loop_pacer
from openclaw_actors.transports.webrtc.sdp_policy import CheckedOffer, check_offer, complete_answer

__all__ = ["WebRtcPeer", "check_offer", "ice_servers_for_client"]

log = get_logger(__name__)

_SILENT_S = 6.0
"""No datagram for so long: disconnected. A client that sends no sound still checks consent each 5 s
(RFC 7675 section 5.1) and reports over RTCP; aiortc itself gives up after 30 s only, and knows no such state."""
_WATCH_EVERY_S = 1.0
_CLOSE_S = 5.0
_FINAL = frozenset({"failed", "closed"})


class WebRtcPeer:
    """The far end of a call that came as an SDP offer; implements ``transports.peer.Peer``.

    Args:
        settings: ICE servers, ports, announced addresses, jitter buffer.
        limits: ``setup_timeout_s``, and the bounds of the data channel.
        clock: monotonic seconds.
    """

    transport = "webrtc"

    def __init__(self, settings: WebRtc, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.codec: Codec = OPUS
        self.state = "new"
        """new, connecting, connected, disconnected, failed or closed."""
        self._settings = settings
        self._limits = limits
        self._clock = clock
        self._listener: PeerListener | None = None
        self._source: PacketSource | None = None
        self._start = 0
        self._connection: RTCPeerConnection | None = None
        self._guard = IceGuard(settings.udp_port_range, settings.announced_ips, clock)
        self._outbound: OutboundTrack | None = None
        self._inbound: Inbound | None = None
        self._line = LineQuality(self.transport)
        self._events = EventChannel(limits, self._command, clock=clock)
        self._opens_channel = False
        self._watch: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._closing: asyncio.Task[None] | None = None

    async def accept(self, offer: CheckedOffer) -> str:
        """Answer an offer; call it once.

        Returns:
            The answer's SDP, with all candidates. The connection itself must stand ``setup_timeout_s`` later, or
            the peer fails.

        Raises:
            RefusalError: 400 ``bad_sdp`` when aiortc can't take the offer, 422 ``ice_failed`` when no answer is
                ready in time, 503 ``no_udp_ports``. The peer is closed then.
        """
        self._deadline = self._clock() + self._limits.setup_timeout_s
        try:
            async with asyncio.timeout(self._limits.setup_timeout_s):
                answer = await self._answer(offer)
        except TimeoutError:
            await self.aclose()
            raise RefusalError(
                422, "ice_failed", "Gathering candidates took too long: try again, or check the ICE servers."
            ) from None
        except InvalidStateError:
            await self.aclose()
            raise RefusalError(422, "ice_failed", "The call was closed before it was answered.") from None
        except BaseException:
            await self.aclose()
            raise
        self._look()
        return complete_answer(answer, offer)

    async def trickle(self, candidates: Sequence[tuple[str, str]]) -> None:
        """Take more candidates of the client's: mid and attribute value of each, which `checked_candidate` let pass.

        Once the connection stands, or is over, they mean nothing.
        """
        for mid, value in candidates:
            if self._connection is None or self._closing is not None:
                return
            candidate = candidate_from_sdp(value)
            candidate.sdpMid = mid
            await self._connection.addIceCandidate(candidate)

    def attach(self, source: PacketSource, listener: PeerListener, start: int = 0) -> None:
        """Begin; see ``Peer.attach``. The listener is told the state that already is."""
        self._source, self._listener, self._start = source, listener, start
        self._wire()
        if self.state != "new":
            self._told(self.state)

    def send_event(self, event: Mapping[str, Any]) -> None:
        """Send a JSON object over the data channel ``events``; dropped when the client offered none."""
        if self._opens_channel and self.state not in _FINAL:
            self._events.send(event)

    async def transfer(self, to: str) -> None:  # noqa: ARG002 - a browser is where it is
        """As Peer.transfer: it can't."""
        raise no_transfer(self.transport)

    async def aclose(self) -> None:
        """Close; returns when sockets, tasks and threads are gone. May be called more than once."""
        if self._closing is None:
            self._set_state("closed")
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    # --- set-up ---------------------------------------------------------------------------------------------------

    async def _answer(self, offer: CheckedOffer) -> str:
        connection = RTCPeerConnection(configuration(self._settings))
        self._connection = connection
        self.codec = offer.codec
        self._opens_channel = offer.has_data_channel
        self._outbound = outbound = OutboundTrack(offer.codec, clock=self._clock)
        self._inbound = inbound = Inbound(offer.codec, self._line, clock=self._clock)
        self._wire()
        connection.on("connectionstatechange", self._connection_changed)
        connection.on("datachannel", self._channel_opened)
        sender = connection.addTrack(outbound)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        except Exception as error:
            # aiortc's parser raises whatever its lines happen to break: AssertionError, KeyError, StopIteration ...
            log.warning("offer refused by aiortc", error=repr(error))
            raise RefusalError(
                400, "bad_sdp", "The offer can't be answered: send the browser's localDescription.sdp unchanged."
            ) from error
        stock = self._settings.jitter_buffer == "stock"
        for receiver in connection.getReceivers():
            tap_receiver(receiver, inbound.receive, stock=stock, clock=self._clock)
        if self._settings.rtp == "direct":
            send_directly(sender, outbound, loop_pacer())
            for receiver in connection.getReceivers():
                if receiver.track.kind == "audio" and not stock:
                    self._guard.direct = DirectReceiver(receiver, inbound.receive, self._clock)
        for transport in ice_connections(connection):
            self._guard.protect(transport)
        await connection.setLocalDescription(await connection.createAnswer())
        return str(connection.localDescription.sdp)

    def _wire(self) -> None:
        """Connect source and listener with the tracks, in whichever order they came."""
        if self._outbound is not None:
            self._outbound.source = self._source
        if self._inbound is not None and self._listener is not None:
            self._inbound.attach(self._listener, self._start)

    # --- what happens -----------------------------------------------------------------------------------------------

    def _connection_changed(self) -> None:
        if self._connection is None:
            return
        state = self._connection.connectionState
        if state in {"failed", "closed"}:
            # aioice closes a connection whose consent has expired (RFC 7675), as if the client had said goodbye.
            self._end("failed" if self._is_silent(self._clock()) else state)
        elif state != "new":
            self._set_state(state)

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        self._events.adopt(channel)

    def _look(self) -> None:
        """Once a second: has the set-up timed out, is the client still heard?"""
        now = self._clock()
        if self._closing is not None:
            return
        if self.state in {"new", "connecting"} and now >= self._deadline:
            log.info("connection set-up timed out", seconds=self._limits.setup_timeout_s)
            self._end("failed")
            return
        silent = self._is_silent(now)
        if self.state == "connected" and silent:
            self._set_state("disconnected")
        elif self.state == "disconnected" and not silent:
            self._set_state("connected")
        self._ask_report()
        wait = _WATCH_EVERY_S if now >= self._deadline else min(_WATCH_EVERY_S, self._deadline - now)
        self._watch = asyncio.get_running_loop().call_later(wait, self._look)

    def _ask_report(self) -> None:
        """Pass on what the far end has reported of our sound."""
        report = receiver_report(self._connection) if self._connection is not None else None
        if report is not None:
            self._line.told(Leg(report.packetsReceived + report.packetsLost, report.packetsLost))
            self._line.round_trip_s = report.roundTripTime or 0.0

    def _is_silent(self, now: float) -> bool:
        heard_at = max(self._guard.heard_at, self._inbound.received_at if self._inbound else 0.0)
        return now - heard_at > _SILENT_S

    def _command(self, command: Mapping[str, Any]) -> None:
        if self._listener is not None and self.state not in _FINAL:
            self._listener.on_command(command)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end(self, state: str) -> None:
        """The connection is over by itself."""
        self._set_state(state)
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())

    def _set_state(self, state: str) -> None:
        if state == self.state or self.state in _FINAL:
            return
        self.state = state
        self._told(state)

    def _told(self, state: str) -> None:
        if self._listener is None:
            return
        try:
            self._listener.on_state(state)
        except Exception:  # told from inside aiortc, whose tasks would end with it
            log.exception("listener failed on state", state=state)

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self._inbound is not None:
            self._inbound.close()
        if self._outbound is not None:
            self._outbound.source = None
        self._events.close()
        if self._connection is not None:
            await close(self._connection, _CLOSE_S)
        # A closed peer is kept for as long as its session's address is known; what it was made of need not be.
        self._connection = self._source = self._listener = None
        self._outbound = self._inbound = self._guard.direct = None
