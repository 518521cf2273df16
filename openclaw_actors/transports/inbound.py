"""From received packets to the listener's frames: the timers around a Timeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import AudioIn
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.observability.tally import Tally
from openclaw_actors.transports.line_quality import Leg, LineQuality
from openclaw_actors.transports.peer import PeerListener
from openclaw_actors.transports.timeline import GRACE_S, Timeline

log = get_logger(__name__)

_STALL_S = 0.05
"""A timer that fires this late tells of an event loop that stood still, not of a caller who is silent."""
_AFTER_STALL_S = 0.02
"""Time to read what waits in the socket then, before silence takes its place."""
_REPORT_EVERY_S = 5.0


class Inbound:
    """Feeds a listener with the caller's sound, from the first packet on without a gap until closed.

    Args:
        codec: of the packets.
        line: told how the sound came.
        grace: as of a Timeline.
        patience: likewise.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        codec: Codec,
        line: LineQuality,
        *,
        grace: float = GRACE_S,
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.received_at = 0.0
        """When the last packet arrived; 0: none yet."""
        self._codec = codec
        self._line = line
        self._grace = grace
        self._patience = patience
        self._clock = clock
        self._timeline: Timeline | None = None
        self._listener: PeerListener | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._granted = False
        self._lost = 0
        self._missing = 0
        self._joined = 0
        self._reported_at = 0.0
        self._complained = False
        self._tally = Tally(metrics.rtp_packets_total.labels(direction="inbound"))

    def attach(self, listener: PeerListener, start: int) -> None:
        """Tell this listener from now on; what came before is not kept.

        Args:
            listener: its ``on_audio`` gets the frames.
            start: media time of the first one, in 16 kHz samples.
        """
        self._disarm()
        self._listener = listener
        self._timeline = Timeline(self._codec, start, self._grace, self._patience)
        self._lost = 0

    def missed(self, packets: int) -> None:
        """So many packets did not come, as the far end says itself."""
        self._missing += packets
        metrics.rtp_packets_lost_total.inc(packets)

    def receive(self, packet: RtpAudio, pieces: int = 1) -> None:
        """Take a packet; never raises (an exception would end aiortc's reading task, and so the call).

        Args:
            packet: as it came.
            pieces: in which it came.
        """
        self.received_at = packet.arrived_at
        self._tally.more(pieces)
        if self._timeline is None:
            return
        self._joined += pieces - 1
        try:
            self._tell(self._timeline.push(packet))
            self._report(self._timeline, packet.arrived_at)
            self._arm(self._timeline)
        except Exception:  # noqa: BLE001 - see above
            self._complain("inbound packet failed")

    def close(self) -> None:
        """Tell no more."""
        self._disarm()
        self._tally.settle()
        if self._timeline is not None:
            self._look(self._timeline)
        self._timeline = self._listener = None

    def _tell(self, frames: list[AudioIn]) -> None:
        for frame in frames:
            if self._listener is None:
                return
            try:
                self._listener.on_audio(frame)
            except Exception:  # noqa: BLE001 - one frame that a listener can't take is that frame's loss
                self._complain("listener failed on audio")

    def _report(self, timeline: Timeline, now: float) -> None:
        lost = timeline.jitter.lost
        if lost > self._lost:
            metrics.rtp_packets_lost_total.inc(lost - self._lost)
            self._lost = lost
        if now - self._reported_at >= _REPORT_EVERY_S:
            self._reported_at = now
            metrics.rtp_jitter_seconds.observe(timeline.jitter.clock.jitter)
            self._look(timeline)

    def _look(self, timeline: Timeline) -> None:
        """A pause of the sender is no loss: what counts are the packets that it did send."""
        missed = timeline.jitter.lost + self._missing
        useless = timeline.dropped + timeline.undecodable
        expected = timeline.packets + self._joined + missed
        self._line.look(Leg(expected, missed + useless), timeline.jitter.target)

    def _arm(self, timeline: Timeline) -> None:
        """See that the timer fires no later than the deadline; one that fires too early finds nothing to do.

        Each packet moves the deadline back, so a timer that is left as it is fires once in about 80 ms, where one
        that followed would be cancelled and made anew 50 times a second.
        """
        deadline = timeline.deadline
        if deadline is None or (self._timer is not None and self._timer_at <= deadline):
            return
        self._disarm()
        self._timer_at = deadline
        delay = max(0.0, deadline - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        timeline = self._timeline
        if timeline is None:
            return
        now = self._clock()
        if now - self._timer_at > _STALL_S and not self._granted:
            self._granted = True
            self._timer_at = now + _AFTER_STALL_S
            self._timer = asyncio.get_running_loop().call_later(_AFTER_STALL_S, self._fire)
            return
        self._granted = False
        try:
            self._tell(timeline.tick(now))
        except Exception:  # noqa: BLE001 - the timer must go on, or a turn could never end
            self._complain("filling a hole failed")
        self._arm(timeline)

    def _complain(self, event: str) -> None:
        if not self._complained:
            self._complained = True
            log.exception(event)  # noqa: LOG004 - all callers are exception handlers
