"""A carrier opens a media stream: which call is it of? Until that is known, nothing is started for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from openclaw_actors.actors.board import Board
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Carriage, Dialled
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.observability.loop_load import LoopLoad
from openclaw_actors.settings.sections import Limits
from openclaw_actors.telephony.carrier import TOKEN
from openclaw_actors.telephony.crowd import Crowd
from openclaw_actors.telephony.pending import Expected, Pending
from openclaw_actors.transports.media_streams.coalescing import Moderation
from openclaw_actors.transports.media_streams.framing import Connected, Framing, Ignored, Started
from openclaw_actors.transports.media_streams.leg import CarrierLeg
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer
from openclaw_actors.transports.media_streams.stream import (
    POLICY_VIOLATION,
    TRY_AGAIN_LATER,
    MediaStream,
    Socket,
    StreamFaultError,
)

_log = get_logger(__name__)


class Streams:
    """Takes one carrier's streams.

    Args:
        framing: the carrier's.
        board: the host's calls.
        pending: the calls that wait for a stream.
        new_leg: what ends and transfers a call at the carrier, by the carrier's name for it.
        limits: how long, how many, how often.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        framing: Framing,
        board: Board,
        pending: Pending,
        new_leg: Callable[[str], CarrierLeg | None],
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._framing = framing
        self._board = board
        self._pending = pending
        self._new_leg = new_leg
        self._limits = limits
        self._clock = clock
        self._moderation = Moderation(LoopLoad(clock))
        self._unstarted = Crowd(limits.pending_streams, limits.carrier_requests_per_address)

    async def serve(self, socket: Socket, address: str, token: str = "") -> None:
        """Carry a call over this socket until one of them ends.

        Args:
            socket: a signed one, freshly opened.
            address: what its other end is counted by; empty: not at all.
            token: which call it is of, where its URL says so; else its start does.
        """
        stream = MediaStream(socket, self._framing, self._limits.stream_messages_per_second, self._clock)
        try:
            begun = await self._begin(stream, address, token)
            if begun is not None:
                peer, started = begun
                await peer.serve(stream, started, self._moderation)
            await stream.close()
        except StreamFaultError as fault:
            _log.warning("media stream closed", code=fault.code, reason=fault.reason)
            await stream.close(fault.code, fault.reason)

    async def _begin(self, stream: MediaStream, address: str, token: str) -> tuple[MediaStreamPeer, Started] | None:
        """The call's peer, once its stream has started; None: the socket was closed before."""
        try:
            started = await self._start_of(stream, address)
            if started is None:
                return None
            return await self._peer_for(started, token), started
        except StreamFaultError:
            metrics.calls_rejected_total.labels(reason="stream").inc()
            raise

    async def _start_of(self, stream: MediaStream, address: str) -> Started | None:
        if not self._unstarted.enter(address):
            raise StreamFaultError(TRY_AGAIN_LATER, "Too many pending media stream connections")
        try:
            async with asyncio.timeout(self._limits.stream_start_timeout_s):
                while (event := await stream.next()) is not None:
                    if isinstance(event, Started):
                        return event
                    if not isinstance(event, Connected | Ignored):
                        raise StreamFaultError(POLICY_VIOLATION, "Missing start")
        except TimeoutError:
            raise StreamFaultError(POLICY_VIOLATION, "Start timeout") from None
        finally:
            self._unstarted.leave(address)
        return None

    async def _peer_for(self, started: Started, token: str) -> MediaStreamPeer:
        if not started.carrier_call_id:
            raise StreamFaultError(POLICY_VIOLATION, "Missing callSid")
        if not started.is_mulaw:
            raise StreamFaultError(POLICY_VIOLATION, "Unsupported media format")
        expected = self._pending.claim(token or started.parameters.get(TOKEN, ""), started.carrier_call_id)
        if expected is None:
            raise StreamFaultError(POLICY_VIOLATION, "Unknown call")
        if expected.peer is None:
            return await self._begin_call(expected, started.carrier_call_id)
        # The stream may be here before the carrier has answered the request that placed the call.
        await self._board.tell(expected.call_id, Dialled(started.carrier_call_id))
        return expected.peer

    async def _begin_call(self, expected: Expected, carrier_call_id: str) -> MediaStreamPeer:
        assert expected.admission is not None  # noqa: S101 - what has no peer has a place; this tells mypy
        peer = MediaStreamPeer(self._framing.carrier, carrier_call_id, clock=self._clock)
        peer.leg = self._new_leg(carrier_call_id)
        try:
            async with asyncio.timeout(self._limits.setup_timeout_s):
                await self._board.start(
                    expected.admission,
                    peer,
                    caller=expected.caller,
                    callee=expected.callee,
                    metadata={},
                    profile=expected.profile,
                    carriage=Carriage(carrier_call_id, resumed_from=expected.resumed_from),
                )
        except BaseException as error:
            self._board.release(expected.admission)
            await peer.aclose()
            if isinstance(error, RefusalError | TimeoutError):
                raise StreamFaultError(TRY_AGAIN_LATER, "The call could not be begun") from error
            raise
        return peer
