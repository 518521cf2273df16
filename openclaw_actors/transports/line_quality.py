"""How good a call's line is, looked at every few seconds: round trip, and an estimate of what its voice is worth."""

from __future__ import annotations

from typing import NamedTuple

from openclaw_actors.observability import metrics
from openclaw_actors.observability.e_model import mos

_PACKET_S = 0.02
"""A packet leaves when its last sample is there."""

_ENOUGH = 50
"""Packets (a second of sound) below which a share says nothing: somebody was muted, or spoke one word."""


class Leg(NamedTuple):
    """One direction of a line, from its beginning: packets that should have come, and those that were of no use."""

    expected: int = 0
    lost: int = 0

    def since(self, before: Leg) -> Leg:
        """What came after ``before``."""
        return Leg(self.expected - before.expected, max(0, self.lost - before.lost))


class LineQuality:
    """Feeds the metrics of one call's line.

    Args:
        transport: ``webrtc`` or a carrier's name.
    """

    def __init__(self, transport: str) -> None:
        self.round_trip_s = 0.0
        """As it was last measured; 0: not yet."""
        self._round_trip = metrics.round_trip_seconds.labels(transport=transport)
        self._told = Leg()
        """Our own sound, as the far end last reported it (RFC 3550 section 6.4)."""
        self._seen = (Leg(), Leg())

    def told(self, leg: Leg) -> None:
        """The far end reports what has become of our sound."""
        if leg.lost > self._told.lost:
            metrics.rtp_remote_packets_lost_total.inc(leg.lost - self._told.lost)
        self._told = leg

    def look(self, heard: Leg, waits_s: float) -> None:
        """Observe what has happened since the last look.

        The worse of the two directions counts, since a conversation is as good as that.

        Args:
            heard: the caller's sound, as it came to be of use: behind the jitter buffer.
            waits_s: how long that waits for a late packet.
        """
        if self.round_trip_s:
            self._round_trip.observe(self.round_trip_s)
        legs = (heard, self._told)
        delay_s = _PACKET_S + self.round_trip_s / 2 + waits_s
        spans = [leg.since(before) for leg, before in zip(legs, self._seen, strict=True)]
        self._seen = legs
        scores = [mos(delay_s, lost / expected) for expected, lost in spans if expected >= _ENOUGH]
        if scores:
            metrics.mos_estimate.observe(min(scores))
