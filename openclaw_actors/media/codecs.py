"""The two codecs that carry our voice, and the encoder that turns a phrase into 20 ms packets.

Opus is encoded when its packets are due (media/packets.py), mu-law at once: that is a look into a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import av

from openclaw_actors.media import mulaw
from openclaw_actors.media.libopus import OpusEncoder, libopus
from openclaw_actors.media.packets import PacketRun, joined
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import WordTime


@dataclass(frozen=True, slots=True)
class Codec:
    """A voice codec as a track needs it.

    Args:
        name: ``opus`` or ``pcmu``.
        pcm_rate: Hz of the mono s16 that its encoder takes.
        clock_rate: Hz of its RTP timestamps.
        silence: one 20 ms packet of silence.
    """

    name: str
    pcm_rate: int
    clock_rate: int
    silence: bytes

    @property
    def packet_samples(self) -> int:
        """Samples at ``pcm_rate`` in one packet."""
        return self.pcm_rate // 50


OPUS = Codec("opus", pcm_rate=24_000, clock_rate=48_000, silence=b"\xf8\xff\xfe")
"""RFC 7587. Its silence decodes to 960 zero samples."""

PCMU = Codec("pcmu", pcm_rate=8_000, clock_rate=8_000, silence=b"\xff" * 160)
"""RFC 3551, G.711 mu-law."""

SLICE_S = 0.6
"""Sound to be trimmed, resampled and cut into packets at a time, on the loop: 0.1 to 0.5 ms of work."""

_OPUS_BITS = 48_000
"""Bits a second that are asked for; it takes 60,000 for speech."""

_OPUS_COMPLEXITY = 2
"""From 5 on libopus looks for the voice's pitch, which each packet then takes from the one before. Eight sentences of
flite, one run, µs a packet, wideband PESQ, the same with a packet in twenty lost: complexity 2 46 µs, 4.01, 2.52; 5
65 µs, 4.05, 2.40; 10 with 40,000 bits 94 µs, 4.13, 2.41; 1 42 µs, 3.98, 2.50; 2 with 56,000 bits 59 µs, 4.11, 2.52."""

_OPUS_OPTIONS = {"application": "lowdelay", "frame_duration": "20", "compression_level": str(_OPUS_COMPLEXITY)}
"""CELT alone (RFC 6716, section 2.1.2). ``voip`` (SILK and CELT) at 32 kbit/s costs four times as much a packet, and
looks 6.5 ms ahead in place of 2.5, for the same quality."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sound as packets of 20 ms, and the PCM that goes into them.

    Args:
        packets: in order, encoded at the latest when they are looked at; they are one encoder's, so only a whole run of
            them decodes cleanly.
        pcm: s16 mono at the codec's ``pcm_rate``, exactly ``packet_samples`` for each packet.
        words: when its words end, counted from the whole phrase's first sample, also in a piece of it.
    """

    packets: Sequence[bytes] = ()
    pcm: bytes = b""
    words: tuple[WordTime, ...] = ()

    def __add__(self, other: Encoded) -> Encoded:
        return Encoded.joined((self, other))

    def __bool__(self) -> bool:
        return bool(self.packets or self.words)

    @classmethod
    def joined(cls, pieces: Iterable[Encoded]) -> Encoded:
        """One run of packets from its pieces in order."""
        pieces = tuple(pieces)
        return cls(
            joined([piece.packets for piece in pieces]),
            b"".join(piece.pcm for piece in pieces),
            tuple(word for piece in pieces for word in piece.words),
        )

    def without_first(self, packets: int) -> Encoded:
        """The sound after the first ``packets`` packets."""
        if packets <= 0 or not self.packets:
            return self
        return Encoded(self.packets[packets:], self.pcm[len(self.pcm) // len(self.packets) * packets :], self.words)


class PhraseEncoder:
    """Turns one phrase into packets as it comes. Not for two threads at once, nor for a second phrase.

    Args:
        codec: what the track carries.
        sample_rate: Hz of the mono s16 that it is given; resampled (0.7-2 ms of delay) only if the codec's differs.
    """

    def __init__(self, codec: Codec, sample_rate: int) -> None:
        size = self._packet_bytes = codec.packet_samples * 2
        self._run = PacketRun(opus_encoder(), size, codec.silence) if codec == OPUS else None
        self._resampler = Resampler(sample_rate, codec.pcm_rate) if sample_rate != codec.pcm_rate else None
        self._cut: Callable[[bytes], Sequence[bytes]] = self._run.push if self._run else _mulaw_packets
        self._rest = b""

    def encode(self, pcm: bytes) -> Encoded:
        """The packets that ``pcm``, after what came before, completes; the remainder is kept.

        Args:
            pcm: s16 mono, an even number of bytes.
        """
        return self._packets(self._resampler.push(pcm) if self._resampler else pcm)

    def flush(self) -> Encoded:
        """The last packets, the very last one filled up with silence."""
        tail = self._packets(self._resampler.flush()) if self._resampler else Encoded()
        if self._rest:
            tail += self._packets(bytes(self._packet_bytes - len(self._rest)))
        if self._run is not None:
            self._run.end()
        return tail

    def _packets(self, pcm: bytes) -> Encoded:
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % self._packet_bytes
        self._rest = pcm[whole:]
        pcm = pcm[:whole]
        return Encoded(self._cut(pcm), pcm)


def _mulaw_packets(pcm: bytes) -> tuple[bytes, ...]:
    """Look all up at once: each call of numpy's would let go of the GIL, and wait up to 5 ms to have it back."""
    codes, size = mulaw.encode(pcm), PCMU.packet_samples
    return tuple(codes[start : start + size] for start in range(0, len(codes), size))


def encode_phrase(codec: Codec, sample_rate: int, pcm: bytes) -> Encoded:
    """Encode a whole phrase now, in whatever thread this is: ``pcm`` is s16 mono at ``sample_rate`` Hz."""
    encoder = PhraseEncoder(codec, sample_rate)
    phrase = encoder.encode(pcm) + encoder.flush()
    return replace(phrase, packets=tuple(phrase.packets))


def opus_encoder() -> Callable[[bytes], bytes]:
    """Encodes 20 ms at a time, at OPUS' ``pcm_rate``; the cheapest that this machine has.

    One packet comes out for each that goes in. The encoder holds 2.5 ms of look-ahead, which no flush is made for: it
    would be a packet without PCM of its own, and a phrase ends in silence.
    """
    library = libopus()
    return (
        _av_encoder() if library is None else OpusEncoder(library, OPUS.pcm_rate, _OPUS_BITS, _OPUS_COMPLEXITY).encode
    )


def _av_encoder() -> Callable[[bytes], bytes]:
    """PyAV's."""
    opus = av.AudioCodecContext.create("libopus", "w")
    opus.sample_rate = OPUS.pcm_rate
    opus.layout = "mono"
    opus.format = "s16"
    opus.bit_rate = _OPUS_BITS
    opus.thread_count = 1  # FFmpeg's default starts two threads an encoder, which help nothing at 20 ms a frame
    opus.options = dict(_OPUS_OPTIONS)

    def encode(pcm: bytes) -> bytes:
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = OPUS.pcm_rate
        (packet,) = opus.encode(frame)
        return bytes(packet)

    return encode
