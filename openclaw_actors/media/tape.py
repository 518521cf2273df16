"""A call's recording in the making: what both sides were, put on one time line, into a file. Work for a thread.

The agent's side is made of the very packets that its caller's decoder gets, whatever they were: speech, keys, music, an
apology. So it is what was heard, and not what was meant.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.decoders import Decoder, UndecodableError, decoder
from openclaw_actors.media.sound_file import RATE, SoundFile, SoundFormat, create
from openclaw_actors.media.two_sides import TwoSides

PACKET = RATE // 50
"""Samples in 20 ms."""
_AT_REST = 2
"""Packets of silence after which a decoder has no more to say; they are most of a call, and need no decoding."""
_LOOK_EVERY_S = 5.0
"""How often the disk's room is looked at: 30 calls write 150 kB meanwhile."""


@dataclass(frozen=True, slots=True)
class Heard:
    """20 ms of the caller, which arrived ``at`` (monotonic seconds); None when they fill a hole."""

    pcm: bytes
    at: float | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet that left for the caller's ear ``at`` that time."""

    packet: bytes
    codec: Codec
    at: float


@dataclass(frozen=True, slots=True)
class Played:
    """Packets that the far end has played, one behind the other, by the time ``at``."""

    packets: tuple[bytes, ...]
    codec: Codec
    at: float


@dataclass(frozen=True, slots=True)
class Mask:
    """From ``at`` on neither side is to be heard, or both are again."""

    on: bool
    at: float


Piece = Heard | Sent | Played | Mask


class Tape:
    """One recording. Used by one thread at a time; the file is made when the first work is done.

    Args:
        path: of the file.
        form: how it is written.
        began_at: when the recording begins, monotonic seconds: its first sample.
        keep_free: bytes that must stay free on the disk.
        room: bytes free on the disk of a folder.
    """

    def __init__(
        self,
        path: Path,
        form: SoundFormat,
        began_at: float,
        *,
        keep_free: int = 0,
        room: Callable[[Path], int] = lambda folder: disk_usage(folder).free,
    ) -> None:
        self.path = path
        self._form: SoundFormat = form
        self._began_at = began_at
        self._keep_free = keep_free
        self._room = room
        self._looked_at = float("-inf")
        self._sides = TwoSides()
        self._ear = _Ear()
        self._file: SoundFile | None = None

    @property
    def seconds(self) -> float:
        """How much is written."""
        return self._file.samples / RATE if self._file else 0.0

    def work(self, pieces: Iterable[Piece], upto: float) -> None:
        """Take what has come, and write what lies before ``upto`` (monotonic seconds), which must not change any more.

        Raises:
            OSError: the disk does not take it, or has less room (ENOSPC) than is to be left free.
        """
        self._look_at_disk()
        if self._file is None:
            self._file = create(self.path, self._form)
        for piece in pieces:
            self._take(piece)
        sound = self._sides.take(self._place(upto))
        if sound:
            self._file.write(sound)

    def close(self) -> None:
        """The end of the file.

        Raises:
            OSError: the disk does not take it; the file is closed all the same.
        """
        if self._file is not None:
            self._file.close()

    def _place(self, at: float) -> int:
        return round((at - self._began_at) * RATE)

    def _take(self, piece: Piece) -> None:
        sides = self._sides
        match piece:
            case Heard(pcm, at):
                # It was spoken in the 20 ms before it arrived.
                sides.caller.frame(pcm, None if at is None else self._place(at) - len(pcm) // 2)
            case Sent(packet, codec, at):
                sides.agent.frame(self._ear.hear(packet, codec), self._place(at))
            case Played(packets, codec, at):
                sound = b"".join(self._ear.hear(packet, codec) for packet in packets)
                sides.agent.run(sound, self._place(at) - len(sound) // 2)
            case Mask(True, at):
                sides.mask(self._place(at))
            case Mask(False, at):
                sides.unmask(self._place(at))

    def _look_at_disk(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        if self._keep_free and self._room(self.path.parent) < self._keep_free:
            raise OSError(errno.ENOSPC, f"less than {self._keep_free} bytes are free", str(self.path.parent))


class _Ear:
    """The caller's: packets in, 20 ms of sound at RATE out, always; what can't be decoded is silence."""

    def __init__(self) -> None:
        self._codec: Codec | None = None
        self._decoder: Decoder | None = None
        self._quiet = 0

    def hear(self, packet: bytes, codec: Codec) -> bytes:
        """The sound of the packet."""
        if self._decoder is None or codec is not self._codec:
            self._codec, self._decoder = codec, decoder(codec)
        self._quiet = self._quiet + 1 if packet == codec.silence else 0
        if self._quiet > _AT_REST:
            return bytes(2 * PACKET)
        try:
            sound = self._decoder.decode(packet).tobytes()
        except UndecodableError:
            sound = b""
        return sound[: 2 * PACKET].ljust(2 * PACKET, b"\0")
