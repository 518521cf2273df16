"""What a scripted caller hears: RTP payloads decoded as they arrive, and the moments when a voice begins and ends.

The stock client would hold each packet for 80 ms (four packets of prefetch) before its decoder; a latency measured
behind that is not the host's. The ear therefore takes a packet when it arrives, in order, and knows its time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import inf

import av
import numpy as np
import numpy.typing as npt

from openclaw_actors.media import mulaw
from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.media.decoders import UndecodableError, decoder
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.speakers import is_voiced

HEARD_RATE = 48_000
"""Hz of what the ear keeps."""

_BLOCKS_OF_SILENCE = 2
_ONSET_BLOCKS = 3
"""30 ms of sound in a row are a voice; a click is not."""
_QUIET_BEFORE = 10
"""Blocks (100 ms) without voice that make the next voice an onset: the closure of a "p" or "t" is shorter."""


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """One packet as it came: ``arrived_at`` monotonic seconds, ``at`` its place in the sender's time (samples)."""

    arrived_at: float
    at: int
    pcm: bytes


class Ear:
    """Decodes one voice stream and notes onsets and ends by arrival time.

    Args:
        keep: keep the sound itself (96 kB a second), for ``recording``. One that does not, and has no loudspeaker,
            listens at 16 kHz, which is enough to judge by and a third of the work.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.on_sound: Callable[[bytes], None] | None = None
        """Is given each decoded packet (48 kHz mono s16): a loudspeaker."""
        self.on_packet: Callable[[RtpAudio], None] | None = None
        """Is given each packet as it comes, before anything is judged of it."""
        self._keep = keep
        self._opus = av.CodecContext.create("libopus", "r")
        self._opus.format, self._opus.layout, self._opus.sample_rate = "s16", "mono", HEARD_RATE
        self._opus.thread_count = 1
        self._cheap_opus = decoder(OPUS)
        self._was_silence = False
        self._sequence: int | None = None
        self._first_timestamp = 0
        self._run = 0
        self._run_began = 0.0
        self.quiet_blocks = _QUIET_BEFORE
        """10 ms blocks heard since the last loud one: silence by the sender's clock."""
        self._since_voice = _QUIET_BEFORE
        self._after_pause = False
        self.frames: list[HeardFrame] = []
        self.onsets: list[float] = []
        """When a voice began: arrival of the first of three loud 10 ms blocks after 100 ms without a voice."""
        self.last_loud_at = -inf
        """When the last loud block arrived."""
        self.packets = 0
        self.late_packets = 0
        self.lost_packets = 0
        self.longest_gap_s = 0.0
        """The longest time between two arrivals."""
        self.longest_gap_at = 0.0
        """The arrival that ended it."""
        self._last_arrival: float | None = None

    def hear(self, packet: RtpAudio, *, pcmu: bool = False) -> None:
        """Take one packet of Opus, or of PCMU; those that come after a later one are counted and dropped."""
        if self.on_packet is not None:
            self.on_packet(packet)
        arrived_at, sequence, payload = packet.arrived_at, packet.sequence, packet.payload
        if self._last_arrival is not None:
            gap = arrived_at - self._last_arrival
            if gap > self.longest_gap_s:
                self.longest_gap_s, self.longest_gap_at = gap, arrived_at
        self._last_arrival = arrived_at
        if self._sequence is None:
            self._first_timestamp = packet.timestamp
        else:
            step = (sequence - self._sequence) & 0xFFFF
            if step == 0 or step > 0x8000:
                self.late_packets += 1
                return
            self.lost_packets += step - 1
        self._sequence = sequence
        self.packets += 1
        if not payload:  # PyAV takes an empty packet as the end of the stream
            return
        if not self._keep and self.on_sound is None:
            self._glimpse(payload, arrived_at, pcmu=pcmu)
            return
        ticks = (packet.timestamp - self._first_timestamp) & 0xFFFFFFFF
        samples = _from_pcmu(payload) if pcmu else self._from_opus(payload)
        if self.on_sound is not None:
            self.on_sound(samples.tobytes())
        if self._keep:
            self.frames.append(HeardFrame(arrived_at, ticks * 6 if pcmu else ticks, samples.tobytes()))
        self._note(_voiced(samples, HEARD_RATE), arrived_at)

    def _glimpse(self, payload: bytes, arrived_at: float, *, pcmu: bool) -> None:
        """Judge a sound that nobody keeps."""
        # Silence is most of what many lines hear: nothing to decode, once the decoder's last sound has decayed.
        was_silence, self._was_silence = self._was_silence, payload == (PCMU if pcmu else OPUS).silence
        if self._was_silence and (was_silence or pcmu):
            self._quiet(_BLOCKS_OF_SILENCE)
        elif pcmu:
            self._note(_voiced_in_pcmu(payload), arrived_at)
        else:
            with suppress(UndecodableError):
                self._note(_voiced(self._cheap_opus.decode(payload), SAMPLE_RATE), arrived_at)

    def _note(self, voiced: tuple[bool, ...], arrived_at: float) -> None:
        for number, is_loud in enumerate(voiced):
            self._block(arrived_at + number / 100, is_loud=is_loud)

    def _from_opus(self, payload: bytes) -> npt.NDArray[np.int16]:
        try:
            frames = self._opus.decode(av.Packet(payload))
        except av.FFmpegError:
            return np.zeros(0, np.int16)
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames] or [np.zeros(0, np.int16)])

    def _block(self, at: float, *, is_loud: bool) -> None:
        if not is_loud:
            self._quiet(1)
            return
        self._since_voice += 1
        if self._run == 0:
            self._run_began = at
            self._after_pause = self._since_voice > _QUIET_BEFORE
        self._run += 1
        self.quiet_blocks = 0
        self.last_loud_at = at + 0.01
        if self._run == _ONSET_BLOCKS and self._after_pause:
            self.onsets.append(self._run_began)
        if self._run >= _ONSET_BLOCKS:
            self._since_voice = 0  # not for less: a click shortly before a voice must not hide its onset

    def _quiet(self, blocks: int) -> None:
        self._run = 0
        self._since_voice += blocks
        self.quiet_blocks += blocks

    def onset_after(self, after: float) -> float | None:
        """The first onset at or after ``after`` (monotonic seconds), if there was one yet."""
        at = bisect_left(self.onsets, after)
        return self.onsets[at] if at < len(self.onsets) else None

    def quiet_s(self, now: float) -> float:
        """How long nothing loud came, in seconds.

        By the sender's clock, so that a stall of this loop is no pause in the voice; by ours once packets have
        stopped for two seconds (a busy machine stalls for half a one).
        """
        by_our_clock = now - self.last_loud_at
        if self._last_arrival is None or now - self._last_arrival > 2:
            return by_our_clock
        return min(by_our_clock, self.quiet_blocks / 100)

    def recording(self) -> bytes:
        """All that was heard as 48 kHz mono s16; what was lost is silence."""
        if not self.frames:
            return b""
        end = max(frame.at + len(frame.pcm) // 2 for frame in self.frames)
        out = np.zeros(end, np.int16)
        for frame in self.frames:
            pcm = np.frombuffer(frame.pcm, np.int16)
            out[frame.at : frame.at + pcm.size] = pcm
        return out.tobytes()


def _voiced(samples: npt.NDArray[np.int16], rate: int) -> tuple[bool, ...]:
    """Which blocks of 10 ms hold a voice."""
    block = rate // 100
    return tuple(is_voiced(samples[start : start + block]) for start in range(0, samples.size - block + 1, block))


@lru_cache(4096)  # packets: a stub says the same phrases to all lines
def _voiced_in_pcmu(payload: bytes) -> tuple[bool, ...]:
    return _voiced(np.frombuffer(mulaw.decode(payload), np.int16), PCMU.pcm_rate)


def _from_pcmu(payload: bytes) -> npt.NDArray[np.int16]:
    """G.711 mu-law at 8 kHz to 48 kHz by repetition: good enough to hear where a voice is."""
    return np.repeat(np.frombuffer(mulaw.decode(payload), np.int16), HEARD_RATE // 8_000)
