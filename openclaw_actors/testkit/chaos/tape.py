"""What really went over the line to one caller, packet by packet, beside what the playout had ready for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.media.playout import Playout
from openclaw_actors.testkit.caller import Caller

TICKS = 960
"""Of the RTP clock in a packet: 20 ms at 48 kHz."""

ONE_PACKET_S = 0.02
"""By so much a gap may be longer than the control call's: two calls on one loop are never scheduled alike."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the playout gave for one packet; ``ready``: sound of a phrase was there and allowed to be heard."""

    at: float
    payload: bytes
    ready: bool


class Tape:
    """One line from its first packet on.

    Args:
        caller: before it is called.
    """

    def __init__(self, caller: Caller) -> None:
        self.received: list[RtpAudio] = []
        self.offered: list[Offered] = []
        caller.heard.on_packet = self.received.append

    def watch(self, playout: Playout) -> None:
        """Note what this playout gives from now on."""
        give = playout.next_packet

        def noted() -> bytes:
            ready = playout.has_sound
            payload = give()
            self.offered.append(Offered(time.monotonic(), payload, ready))
            return payload

        playout.next_packet = noted  # type: ignore[method-assign] # of this one, for the length of a test

    def gap_s(self, since: float, until: float) -> float:
        """The longest time between two arrivals in this span (monotonic seconds)."""
        times = [packet.arrived_at for packet in self.received if since <= packet.arrived_at <= until]
        return max((b - a for a, b in pairwise(times)), default=0.0)

    def skips(self) -> list[float]:
        """When the sender's clock stepped over time: a loop that stood still, for all calls alike."""
        pairs = pairwise(self.received)
        return [b.arrived_at for a, b in pairs if (b.timestamp - a.timestamp) & 0xFFFFFFFF != TICKS]

    def breaks(self) -> int:
        """Steps of the sequence numbers other than one: a packet lost, doubled or out of order."""
        pairs = pairwise(self.received)
        return sum((b.sequence - a.sequence) & 0xFFFF != 1 for a, b in pairs)

    def silenced(self) -> int:
        """Packets of silence where sound of a phrase was ready."""
        return sum(offered.ready and offered.payload == OPUS.silence for offered in self.offered)

    def lost(self) -> int:
        """Packets that the playout gave and the caller did not get as they were, in their order."""
        silence = OPUS.silence
        first = next((n for n, offered in enumerate(self.offered) if offered.payload != silence), None)
        heard = next((n for n, packet in enumerate(self.received) if packet.payload != silence), None)
        if first is None or heard is None:
            return 0 if first is heard else len(self.offered)
        pairs = zip(self.offered[first:], self.received[heard:], strict=False)
        return sum(offered.payload != packet.payload for offered, packet in pairs)

    def faults(self, control: Tape, since: float, until: float) -> list[str]:
        """What a caller would call a drop on this line, beside a call that nothing was done to."""
        found: list[str] = []
        if broken := self.breaks():
            found.append(f"{broken} breaks in the RTP sequence")
        apart = [at for at in self.skips() if not any(abs(at - other) < 0.5 for other in control.skips())]
        if apart:
            found.append(f"{len(apart)} jumps of the RTP timestamp that the control call has not")
        if silenced := self.silenced():
            found.append(f"{silenced} packets of silence inside a phrase that was ready")
        if lost := self.lost():
            found.append(f"{lost} packets of the playout did not arrive as they were")
        gap, allowed = self.gap_s(since, until), control.gap_s(since, until) + ONE_PACKET_S
        if gap > allowed:
            found.append(f"a gap of {gap * 1000:.0f} ms; the control call's longest is {allowed * 1000 - 20:.0f}")
        return found
