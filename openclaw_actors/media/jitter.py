"""An adaptive jitter buffer for audio: order without delay.

What reads it is a recogniser, not a loudspeaker: nothing has to be smoothed, so a packet that is next in order is
released the instant it arrives. Only a hole makes others wait, and only for as long as the lateness that was
lately measured says that the missing packet may still come. aiortc's own buffer (16 packets, 4 prefetched) costs
80 ms always, stalls 320 ms on each lost packet, and keeps the delay for the rest of the call.

Pure: the time is passed in. Times are monotonic seconds, RTP numbers are those of RFC 3550.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_BASE_WINDOW_S = 5.0
"""The fastest way a packet took in this time is the time it should take: follows routes and drifting clocks."""
_LATENESS_WINDOW_S = 2.0
"""A late packet makes holes wait for this long: 100 packets, after which the target shrinks back."""
_MAX_TARGET_S = 0.2
"""No hole is waited for longer; a turn's whole budget is 0.4 s."""
_HEADROOM = 1.1
"""The worst of 100 packets is exceeded by one in 100 to come, by little: with it 99.6 % of the packets under
0-120 ms of jitter come in time instead of 98.9 %."""
_DISCONTINUITY_S = 1.0
"""A transit time that far off is another time line (a new source, a paused clock), not jitter."""
_MAX_MISORDER = 100
_MAX_DROPOUT = 1500
"""RFC 3550 appendix A.1: a sequence number further off belongs to a restarted sender. 1500 are 30 s."""
_LONGEST_PACKET_S = 0.12
"""RFC 7587 section 4.2."""


class RtpAudio(NamedTuple):
    """One RTP packet: 16-bit sequence number, 32-bit timestamp, payload, when it arrived, and its SSRC."""

    sequence: int
    timestamp: int
    payload: bytes
    arrived_at: float
    source: int = 0


class _Extremes:
    """The smallest value of a sliding window of time, in amortised constant time."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._values: deque[tuple[float, float]] = deque()

    def add(self, at: float, value: float) -> float:
        values = self._values
        while values and values[-1][1] >= value:
            values.pop()
        values.append((at, value))
        while values[0][0] < at - self._window:
            values.popleft()
        return values[0][1]

    def clear(self) -> None:
        self._values.clear()


class ArrivalClock:
    """When a timestamp should arrive, and how late packets come.

    Args:
        clock_rate: Hz of the RTP timestamps.
    """

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._last: int | None = None
        self._transits = _Extremes(_BASE_WINDOW_S)
        self._latenesses = _Extremes(_LATENESS_WINDOW_S)
        self._base = 0.0
        self._previous_transit = 0.0
        self.lateness = 0.0
        """Seconds: the worst of the last two seconds, beyond the fastest way of the last five."""
        self.jitter = 0.0
        """Seconds: the interarrival jitter of RFC 3550 section 6.4.1."""

    def observe(self, timestamp: int, arrived_at: float) -> None:
        """Take a packet into account, in whatever order it came."""
        unwrapped = self._unwrap(timestamp)
        transit = arrived_at - unwrapped / self._rate
        if self._last is None or abs(transit - self._base) > _DISCONTINUITY_S:
            self._transits.clear()
            self._latenesses.clear()
            self._previous_transit = transit
        self._last = unwrapped
        self._base = self._transits.add(arrived_at, transit)
        # The window's smallest of the negated is its largest.
        self.lateness = -self._latenesses.add(arrived_at, self._base - transit)
        self.jitter += (abs(transit - self._previous_transit) - self.jitter) / 16
        self._previous_transit = transit

    def restart(self) -> None:
        """Forget the time line: the next packet begins another."""
        self._last = None
        self.lateness = 0.0

    def due(self, timestamp: int) -> float:
        """When a packet with this timestamp arrives if it takes the fastest way."""
        return self._base + self._unwrap(timestamp) / self._rate

    def _unwrap(self, timestamp: int) -> int:
        """The 32-bit timestamp as the unbounded one nearest to the last seen."""
        if self._last is None:
            return timestamp
        return self._last + ((timestamp - self._last + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class JitterBuffer:
    """Puts packets in order; see the module's text for when they are released.

    Args:
        clock_rate: Hz of the RTP timestamps.
        capacity: packets held at most; beyond it the oldest hole is given up at once.
        patience: seconds for which a hole is waited for in any case, once the packet behind it is there.
    """

    def __init__(self, clock_rate: int, *, capacity: int = 64, patience: float = 0.0) -> None:
        self.clock = ArrivalClock(clock_rate)
        self.lost = 0
        """Packets that were stepped over: they did not come in time."""
        self.late = 0
        """Packets that came after they were stepped over."""
        self.duplicates = 0
        self._rate = clock_rate
        self._capacity = capacity
        self._patience = patience
        self._frame = 0.02
        self._next: int | None = None
        self._source = 0
        self._held: dict[int, RtpAudio] = {}
        self._stepped_over: dict[int, None] = {}
        self._last: RtpAudio | None = None

    @property
    def depth(self) -> int:
        """Packets held behind a hole."""
        return len(self._held)

    @property
    def target(self) -> float:
        """Seconds beyond its due time for which a packet is waited for.

        Never less than one packet's time: that a packet is missing shows only when the next one is there, so up
        to there waiting costs nothing.
        """
        return min(max(self.clock.lateness * _HEADROOM, self._frame), _MAX_TARGET_S)

    @property
    def deadline(self) -> float | None:
        """When ``poll`` has something to do: the time at which the first hole is given up."""
        return self._give_up_at(self._held[min(self._held)]) if self._held else None

    def passes(self, packet: RtpAudio) -> bool:
        """Whether this packet is the next and nothing waits: then it is taken in, and released. Else ``push`` it."""
        if self._held or self._next is None or packet.source != self._source:
            return False
        if packet.sequence != self._next & 0xFFFF:
            return False
        self.clock.observe(packet.timestamp, packet.arrived_at)
        self._measure(packet)
        self._next += 1
        return True

    def push(self, packet: RtpAudio) -> list[RtpAudio]:
        """Take a packet in; returns all that can be released now, in order."""
        released: list[RtpAudio] = []
        number = self._extend(packet.sequence)
        if self._next is None:
            self._next, self._source = number, packet.source
        ahead = number - self._next
        if packet.source != self._source or not -_MAX_MISORDER <= ahead <= _MAX_DROPOUT:
            self._source = packet.source
            released = self._restart(number)
        elif number in self._held or (ahead < 0 and number not in self._stepped_over):
            self.duplicates += 1
            return released
        self.clock.observe(packet.timestamp, packet.arrived_at)
        if number < self._next:
            self.late += 1
            del self._stepped_over[number]
            return released
        self._held[number] = packet
        return released + self._release(packet.arrived_at)

    def poll(self, now: float) -> list[RtpAudio]:
        """Give up the holes that are overdue; returns what waited behind them."""
        return self._release(now) if self._held else []

    def _extend(self, sequence: int) -> int:
        if self._next is None:
            return sequence
        return self._next + ((sequence - self._next + 0x8000) & 0xFFFF) - 0x8000

    def _restart(self, number: int) -> list[RtpAudio]:
        """The sender began anew: what waits is released, the numbers start over."""
        released = [self._held[key] for key in sorted(self._held)]
        self._held.clear()
        self._stepped_over.clear()
        self._last = None
        self._next = number
        self.clock.restart()
        return released

    def _release(self, now: float) -> list[RtpAudio]:
        assert self._next is not None  # noqa: S101 - push has set it; this tells mypy
        released: list[RtpAudio] = []
        while self._held:
            packet = self._held.pop(self._next, None)
            if packet is None:
                head = min(self._held)
                if len(self._held) < self._capacity and now < self._give_up_at(self._held[head]):
                    break
                self._step_over(head)
                continue
            self._measure(packet)
            self._next += 1
            released.append(packet)
        return released

    def _step_over(self, head: int) -> None:
        assert self._next is not None  # noqa: S101 - as above
        self.lost += head - self._next
        for number in range(max(self._next, head - _MAX_MISORDER), head):
            self._stepped_over[number] = None
        while len(self._stepped_over) > _MAX_MISORDER:
            del self._stepped_over[next(iter(self._stepped_over))]
        self._next = head
        self._last = None

    def _measure(self, packet: RtpAudio) -> None:
        """Learn the packets' length from two that follow each other."""
        if self._last is not None:
            length = ((packet.timestamp - self._last.timestamp) & 0xFFFF_FFFF) / self._rate
            if 0 < length <= _LONGEST_PACKET_S:  # a pause of the sender is no packet
                self._frame = length
        self._last = packet

    def _give_up_at(self, head: RtpAudio) -> float:
        """When the last packet missing before ``head`` is overdue."""
        overdue = self.clock.due(head.timestamp) - self._frame + self.target
        return max(min(overdue, head.arrived_at + _MAX_TARGET_S), head.arrived_at + self._patience)
