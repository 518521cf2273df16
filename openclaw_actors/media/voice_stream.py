"""Sound from a speech server, decoded as it comes: MP3, WAV, Ogg Opus, or the raw samples that were asked for.

Servers answer in formats that nobody asked for (some know only MP3) and name them wrongly, so the first bytes decide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import av

from openclaw_actors.media.ogg import OggPackets
from openclaw_actors.media.resample import Resampler

_STRANGE = (b"fLaC", b"<!DO", b"<htm", b"<HTM")
_WAV_HEADER_MAX = 65_536


class _Decoder(Protocol):
    def push(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class VoiceStream:
    """Bytes of a sound file in, s16 mono out. What is cut in pieces comes out the same as in one piece.

    Args:
        sample_rate: Hz of what comes out, and of headerless samples that go in.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._head = b""
        self._decoder: _Decoder | None = None

    def push(self, data: bytes) -> bytes:
        """The samples that ``data`` completes: s16 mono, a whole number of them.

        Raises:
            ValueError: it is no sound that is understood here.
        """
        if self._decoder is None:
            self._head += data
            self._decoder = _decoder_for(self._head, self._sample_rate, last=False)
            if self._decoder is None:
                return b""
            data, self._head = self._head, b""
        return self._guarded(data)

    def flush(self) -> bytes:
        """The last samples.

        Raises:
            ValueError: it broke off within a sample, or was no sound.
        """
        rest = b""
        if self._decoder is None:
            if not self._head:
                return b""
            self._decoder = _decoder_for(self._head, self._sample_rate, last=True)
            rest = self._guarded(self._head)
        return rest + self._guarded(None)

    def _guarded(self, data: bytes | None) -> bytes:
        assert self._decoder is not None  # noqa: S101 - both callers have just seen to it
        try:
            return self._decoder.flush() if data is None else self._decoder.push(data)
        except av.FFmpegError as error:
            raise ValueError(f"the sound is damaged: {error}") from error


def _decoder_for(head: bytes, sample_rate: int, *, last: bool) -> _Decoder | None:
    """The decoder that ``head`` calls for; None: more bytes are needed to tell (never if they are the ``last``)."""
    if len(head) < 4 and not last:
        return None
    if head.startswith(_STRANGE):
        raise ValueError(f"it begins with {head[:4]!r}, which is neither samples, MP3, WAV nor Ogg Opus")
    for magic, decoder in _MAGIC.items():
        if head.startswith(magic):
            return decoder(sample_rate)
    length = _mp3_frame_bytes(head)
    if length and len(head) < length + 4 and not last:
        return None
    # The samples -1025, -1281 ... look like one frame's header too; not like two at the right distance.
    return Mp3Decoder(sample_rate) if length and _mp3_frame_bytes(head[length:]) else _Raw()


def _mp3_frame_bytes(head: bytes) -> int:
    """The length of the MPEG layer III frame that ``head`` begins with; 0 if it does not."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer != 1 or bitrate in {0, 15} or rate == 3:
        return 0
    if version == 3:
        kbits = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[bitrate - 1]
        return 144_000 * kbits // (44_100, 48_000, 32_000)[rate] + padding
    kbits = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[bitrate - 1]
    hertz = (22_050, 24_000, 16_000)[rate] // (1 if version == 2 else 2)
    return 72_000 * kbits // hertz + padding


class _Raw:
    """Headerless s16 mono."""

    def __init__(self) -> None:
        self._half = b""

    def push(self, data: bytes) -> bytes:
        data = self._half + data
        whole = len(data) & ~1
        self._half = data[whole:]
        return data[:whole]

    def flush(self) -> bytes:
        if self._half:
            raise ValueError("it ends within a sample")
        return b""


class _Frames:
    """Decoded frames, as s16 mono at one rate."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._resampler: Resampler | None = None

    def take(self, frames: list[av.AudioFrame]) -> bytes:
        return b"".join(self._take(frame) for frame in frames)

    def _take(self, frame: av.AudioFrame) -> bytes:
        if self._resampler is None:
            self._resampler = Resampler(frame.sample_rate, self._sample_rate)
        return self._resampler.push_frame(frame)

    def end(self) -> bytes:
        return self._resampler.flush() if self._resampler else b""


class Mp3Decoder:
    """MP3 as it comes: the first samples after the first whole frame, 9-14 µs for each 24 ms of them.

    Args:
        sample_rate: Hz of the mono s16 that comes out.
    """

    def __init__(self, sample_rate: int) -> None:
        self._decoder = av.AudioCodecContext.create("mp3", "r")
        self._frames = _Frames(sample_rate)
        self._head: bytes | None = b""
        self._tag_left = 0

    def push(self, data: bytes) -> bytes:
        """The samples that ``data`` completes.

        Raises:
            av.FFmpegError: it is no MP3.
        """
        return self._decode(self._without_tag(data))

    def flush(self) -> bytes:
        """The last samples; those of a frame that broke off are left out."""
        rest, self._head = self._head or b"", None
        tail = self._decode(rest) if rest else b""
        frames = [frame for packet in self._decoder.parse(None) for frame in self._decoder.decode(packet)]
        return tail + self._frames.take(frames) + self._frames.end()

    def _decode(self, data: bytes) -> bytes:
        if not data:
            return b""
        frames = [frame for packet in self._decoder.parse(data) for frame in self._decoder.decode(packet)]
        return self._frames.take(frames)

    def _without_tag(self, data: bytes) -> bytes:
        """Skips an ID3v2 tag in front (id3.org, §3.1): a picture in it could look like sound."""
        if self._head is not None:
            self._head += data
            if len(self._head) < 10:
                return b""
            data, self._head = self._head, None
            if data.startswith(b"ID3"):
                a, b, c, d = data[6:10]
                self._tag_left = 10 + (a << 21 | b << 14 | c << 7 | d)
        skipped = min(self._tag_left, len(data))
        self._tag_left -= skipped
        return data[skipped:]


class _Wav:
    """RIFF/WAVE with 16-bit PCM. Its data's stated length is not believed: a server that streams does not know it."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._header: bytes | None = b""
        self._rest = b""
        self._block = 2
        self._layout = "mono"
        self._resampler: Resampler | None = None
        self._rate = sample_rate

    def push(self, data: bytes) -> bytes:
        if self._header is not None:
            self._header += data
            start = self._read_header(self._header)
            if not start:
                return b""
            data, self._header = self._header[start:], None
        data = self._rest + data
        whole = len(data) - len(data) % self._block
        self._rest = data[whole:]
        return self._convert(data[:whole])

    def flush(self) -> bytes:
        if self._header is not None:
            raise ValueError("it ends within its WAV header")
        return self._resampler.flush() if self._resampler else b""

    def _read_header(self, header: bytes) -> int:
        """Where the samples begin; 0: not there yet."""
        at = 12
        while at + 8 <= len(header):
            name, size = struct.unpack_from("<4sI", header, at)
            if name == b"data":
                return at + 8
            if name == b"fmt ":
                if at + 8 + 16 > len(header):
                    return 0
                self._read_format(header[at + 8 : at + 24])
            at += 8 + size + size % 2
        if len(header) > _WAV_HEADER_MAX:
            raise ValueError("it has a WAV header without samples")
        return 0

    def _read_format(self, fmt: bytes) -> None:
        kind, channels, self._rate, _, self._block, bits = struct.unpack("<HHIIHH", fmt)
        if kind not in {1, 0xFFFE} or bits != 16 or channels not in {1, 2} or not self._rate:
            raise ValueError(f"it is WAV of kind {kind}, {channels} channels, {bits} bits; 16-bit PCM is understood")
        self._layout = "mono" if channels == 1 else "stereo"
        if channels == 2 or self._rate != self._sample_rate:
            self._resampler = Resampler(self._rate, self._sample_rate)

    def _convert(self, pcm: bytes) -> bytes:
        if self._resampler is None or not pcm:
            return pcm
        frame = av.AudioFrame(format="s16", layout=self._layout, samples=len(pcm) // self._block)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._rate
        return self._resampler.push_frame(frame)


class _OggOpus:
    """Opus in Ogg (RFC 7845)."""

    def __init__(self, sample_rate: int) -> None:
        self._packets = OggPackets()
        self._decoder: av.AudioCodecContext | None = None
        self._frames = _Frames(sample_rate)

    def push(self, data: bytes) -> bytes:
        return b"".join(self._packet(packet) for packet in self._packets.push(data))

    def flush(self) -> bytes:
        if self._packets.broke_off:
            raise ValueError("it ends within an Ogg page")
        return self._frames.end()

    def _packet(self, packet: bytes) -> bytes:
        if packet.startswith(b"OpusHead"):
            self._decoder = av.AudioCodecContext.create("libopus", "r")
            self._decoder.sample_rate = 48_000
            self._decoder.layout = "mono"  # libopus mixes stereo down itself
            return b""
        if self._decoder is None:
            raise ValueError("it is Ogg, but not Opus")
        if packet.startswith(b"OpusTags") or not packet:
            return b""
        return self._frames.take(self._decoder.decode(av.Packet(packet)))


_MAGIC: dict[bytes, Callable[[int], _Decoder]] = {
    b"RIFF": _Wav,
    b"OggS": _OggOpus,
    b"ID3": Mp3Decoder,
}
