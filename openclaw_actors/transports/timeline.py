"""The caller's sound on one gapless time line: decoded, put in order, its holes filled, never far from real time.

Pure: the time is passed in. What comes out are AudioIn of whole frames (20 ms) whose starts follow each other.
"""

from __future__ import annotations

import numpy as np

from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.concealment import Concealer, Samples
from openclaw_actors.media.decoders import UndecodableError, decoder
from openclaw_actors.media.jitter import JitterBuffer, RtpAudio
from openclaw_actors.messages import FRAME, LONGEST_AUDIO, SAMPLE_RATE, AudioIn

GRACE_S = 0.04
"""No packet for this long past the jitter target: the hole is filled in real time, or a turn could never end."""
_CREDIT_S = 2.0
"""How far media time may run ahead of real time at once: what queued up while the event loop stood still. Beyond
it a client that sends faster than it speaks is cut."""
_CREDIT_RATE = 1.01
"""A sender's clock may be 1 % fast, 10 times the worst crystal, before its packets are cut."""
_SHIFT_S = 0.1
"""Packets that stay late for this long, by an amount that does not shrink, are on a shifted time line (the route
became longer, or the sender's clock stood still) and not a jam that drains: the line is joined where they are."""
_DRAINING = 0.25
"""Seconds by which the lateness of a draining jam shrinks each second, at least."""
_JUMP_S = 0.25
"""A hole may be that much longer than the time that passed (the jitter target's bound and more); beyond it the
sender's clock has jumped, and no such time is made up."""
_FRAME_BYTES = 2 * FRAME


class Timeline:
    """Turns the RTP packets of one sender into contiguous 16 kHz frames.

    Args:
        codec: of the payloads.
        start: media time of the first frame, in 16 kHz samples.
        grace: seconds past the jitter target after which the hole is filled.
        patience: as of a JitterBuffer.
    """

    def __init__(self, codec: Codec, start: int = 0, grace: float = GRACE_S, patience: float = 0.0) -> None:
        self.jitter = JitterBuffer(codec.clock_rate, patience=patience)
        self.undecodable = 0
        """Packets that the decoder refused."""
        self.dropped = 0
        """Packets whose time had passed, or that ran ahead of real time."""
        self.packets = 0
        """Packets that the jitter buffer let through, these two included."""
        self._codec = codec
        self._grace = grace
        self._decoder = decoder(codec)
        self._concealer = Concealer()
        self._start = start
        self._pending = bytearray()
        self._concealed = False
        self._begun = False
        self._expected = 0
        self._source = 0
        self._credit = _CREDIT_S
        self._credited_at: float | None = None
        self._filled_at = 0.0
        self._due_at = 0.0
        self._late_since: tuple[float, float] | None = None

    @property
    def deadline(self) -> float | None:
        """When ``tick`` has something to do; None before the first packet."""
        if not self._begun:
            return None
        hole = self.jitter.deadline
        return self._silent_at() if hole is None else min(self._silent_at(), hole)

    def push(self, packet: RtpAudio) -> list[AudioIn]:
        """Take a packet in; returns the frames that are complete now."""
        if self.jitter.passes(packet):  # nearly always
            return self._play(packet)
        return [frame for each in self.jitter.push(packet) for frame in self._play(each)]

    def tick(self, now: float) -> list[AudioIn]:
        """What time itself brings about: holes given up, and one concealed frame when the next packet is overdue."""
        frames: list[AudioIn] = []
        for released in self.jitter.poll(now):
            frames += self._play(released)
        if self._begun and now >= self._silent_at():
            self._earn(now)
            frames += self._fill(FRAME - len(self._pending) // 2, now)
        return frames

    # --- one packet, in order -----------------------------------------------------------------------------------

    def _play(self, packet: RtpAudio) -> list[AudioIn]:
        if not packet.payload:  # padding, sent to probe the route
            return []
        self.packets += 1
        now = packet.arrived_at
        self._earn(now)
        if not self._begun or packet.source != self._source:
            self._join(packet)
        if self._credit <= 0:
            self.dropped += 1
            return []
        gap = self._gap(packet.timestamp)
        if gap:
            longest = min(now - self._filled_at + _JUMP_S, self._credit)
            if gap > longest * SAMPLE_RATE or self._is_shifted(gap, now):
                self._join(packet)
                gap = 0
        frames = self._fill(gap, now) if gap > 0 else []
        samples = self._decode(packet)
        if gap < 0:
            samples = samples[-gap:]  # its beginning was filled already
            self.dropped += not len(samples)
        if len(samples):
            self._late_since = None
            frames += self._append(self._concealer.heard(samples), now)
            self._due_at = self.jitter.clock.due(self._expected)
        return frames

    def _gap(self, timestamp: int) -> int:
        """16 kHz samples from the end of what is filled to this timestamp; negative when it is past."""
        ticks = ((timestamp - self._expected + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        return ticks * SAMPLE_RATE // self._codec.clock_rate

    def _is_shifted(self, gap: int, now: float) -> bool:
        """Whether packets have been late for long, and are not catching up."""
        if gap >= 0:
            return False
        lateness = -gap / SAMPLE_RATE
        if self._late_since is None:
            self._late_since = (now, lateness)
        since, at_first = self._late_since
        return now - since >= _SHIFT_S and lateness >= at_first - _DRAINING * (now - since)

    def _join(self, packet: RtpAudio) -> None:
        """Take this packet's timestamp for the present end of the line."""
        self._begun = True
        self._expected = packet.timestamp
        self._source = packet.source
        self._filled_at = self._due_at = packet.arrived_at
        self._late_since = None
        self.jitter.clock.restart()
        self.jitter.clock.observe(packet.timestamp, packet.arrived_at)

    def _decode(self, packet: RtpAudio) -> Samples:
        """16 kHz samples of a packet; of one that is broken, none: the next packet shows the hole."""
        try:
            return self._decoder.decode(packet.payload)
        except UndecodableError:
            self.undecodable += 1
            return np.zeros(0, np.int16)

    # --- the line -----------------------------------------------------------------------------------------------

    def _silent_at(self) -> float:
        """When the line is filled in place of the caller."""
        return self._due_at + self.jitter.target + self._grace

    def _earn(self, now: float) -> None:
        if self._credited_at is None:
            self._credited_at = now
        elapsed = max(0.0, now - self._credited_at)
        self._credit = min(_CREDIT_S, self._credit + elapsed * _CREDIT_RATE)
        self._credited_at += elapsed

    def _fill(self, count: int, now: float) -> list[AudioIn]:
        self._due_at += count / SAMPLE_RATE
        return self._append(self._concealer.conceal(count), now, concealed=True)

    def _append(self, samples: Samples, now: float, *, concealed: bool = False) -> list[AudioIn]:
        """Lengthen the line; returns the frames that this completes."""
        self._credit -= len(samples) / SAMPLE_RATE
        ticks = len(samples) * self._codec.clock_rate // SAMPLE_RATE
        self._expected = (self._expected + ticks) & 0xFFFF_FFFF
        self._filled_at = max(now, self._filled_at)
        if FRAME <= len(samples) <= LONGEST_AUDIO and not len(samples) % FRAME and not self._pending:  # nearly always
            self._concealed = False
            start, self._start = self._start, self._start + len(samples)
            return [AudioIn(start, samples.tobytes(), now, concealed)]
        self._pending += samples.tobytes()
        frames: list[AudioIn] = []
        self._concealed |= concealed
        while len(self._pending) >= _FRAME_BYTES:
            frames.append(AudioIn(self._start, bytes(self._pending[:_FRAME_BYTES]), now, self._concealed))
            del self._pending[:_FRAME_BYTES]
            self._start += FRAME
            self._concealed = concealed and bool(self._pending)
        return frames
