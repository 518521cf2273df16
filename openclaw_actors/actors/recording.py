"""Recording: one part of one call's recording, as the Call sees it. It belongs to the Call and outlives every stage.

On the loop it only notes what passes, some 0.5 µs a packet; a thread does the rest twice a second.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openclaw_actors.actors.archive import PART, Archive
from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.sound_file import SoundFormat
from openclaw_actors.media.tape import Heard, Mask, Piece, Played, Sent, Tape
from openclaw_actors.messages import AudioIn
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

HAND_OVER_S = 0.5
HOLD_S = 1.5
"""What is younger is not written yet: a key that is pressed now masks what came before it (MASK_BEFORE_S), and that a
hole is one is known a second later (media/two_sides.py)."""
FAR_HOLD_S = 3.0
"""The same for a far end with a buffer, which tells of what it has played late: by 0.4 s mostly, by 2.4 s at most."""
MASK_BEFORE_S = 0.6
"""A key is told of when it is let go, or when the carrier is sure of it: its tone began up to half a second before."""
MASK_AFTER_S = 0.3
"""And some of it may still be on its way."""
MOST_PIECES = 6_000
"""What may wait for the disk: a minute of both sides, 2 MB."""
LAST_S = 5.0
"""How long the end of a call waits for the end of its file."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a recording.

    Args:
        reason: why it ended, as the event tells it.
        path: of the file; None when there is none that can be played.
        seconds: how long it is.
        size: bytes.
    """

    reason: str
    path: Path | None = None
    seconds: float = 0.0
    size: int = 0


class Recording:
    """Takes what passes from when it is made until ``stop``.

    Args:
        archive: where files go.
        path: of the file when it is finished.
        form: how it is written.
        is_masked: whether nothing may be heard at this moment.
        is_deaf: whether nobody listens to the caller at this moment, and so nobody will.
        on_fault: told once, on the loop, why it can't go on: ``disk_full``, ``disk_slow``, ``failed`` or ``limit``.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        archive: Archive,
        path: Path,
        form: SoundFormat,
        *,
        is_masked: Callable[[], bool],
        is_deaf: Callable[[], bool],
        on_fault: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.began_at = clock()
        self._archive = archive
        self._path = path
        self._is_masked = is_masked
        self._is_deaf = is_deaf
        self._on_fault = on_fault
        self._clock = clock
        self._tape = Tape(
            path.with_name(path.name + PART), form, self.began_at, keep_free=archive.settings.keep_free_bytes
        )
        self._pieces: list[Piece] = []
        self._masked = False
        self._hold_s = HOLD_S
        self._working: asyncio.Future[None] | None = None
        self._fault = ""
        self._loop = asyncio.get_running_loop()
        self._look()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(HAND_OVER_S, self._hand_over)

    # --- what passes (a Tap of media/taps.py) -----------------------------------------------------

    def heard(self, frame: AudioIn) -> None:
        """20 ms of the caller."""
        pcm = bytes(len(frame.pcm)) if self._is_deaf() else frame.pcm
        self._note(Heard(pcm, None if frame.concealed else frame.arrived_at))

    def sent(self, packet: bytes, codec: Codec) -> None:
        """A packet leaves for the caller's ear."""
        self._note(Sent(packet, codec, self._clock()))

    def played(self, packets: tuple[bytes, ...], codec: Codec) -> None:
        """The far end has played these packets, one behind the other, by now."""
        self._hold_s = FAR_HOLD_S
        self._note(Played(packets, codec, self._clock()))

    def _note(self, piece: Piece) -> None:
        self._look()
        if not self._fault:
            self._pieces.append(piece)

    def _look(self) -> None:
        """Note when masking begins and ends."""
        if self._is_masked() != self._masked:
            self._masked = not self._masked
            now = self._clock()
            self._pieces.append(Mask(self._masked, now - MASK_BEFORE_S if self._masked else now + MASK_AFTER_S))

    # --- the thread -------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        self._timer = self._loop.call_later(HAND_OVER_S, self._hand_over)
        self._look()
        now = self._clock()
        most_s = self._archive.settings.max_s
        if self._working is not None:
            if len(self._pieces) > MOST_PIECES:
                self._fail("disk_slow")
            return
        if most_s and now - self.began_at >= most_s:
            self._fail("limit")
            return
        pieces, self._pieces = self._pieces, []
        self._working = self._loop.run_in_executor(self._archive.pool, self._work, pieces, now - self._hold_s)
        self._working.add_done_callback(self._worked)

    def _work(self, pieces: list[Piece], upto: float) -> None:
        self._tape.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tape.work(pieces, upto)

    def _worked(self, working: asyncio.Future[None]) -> None:
        self._working = None
        if working.cancelled():
            return
        error = working.exception()
        if error is None:
            return
        _log.error("a recording has ended, its call goes on", file=self._path.name, reason=repr(error))
        self._fail(_reason(error))

    def _fail(self, reason: str) -> None:
        if self._fault:
            return
        self._fault = reason
        if self._timer is not None:
            self._timer.cancel()
        self._on_fault(reason)

    # --- the end ----------------------------------------------------------------------------------

    async def stop(self, reason: str) -> Outcome:
        """Take no more, and finish the file. May be called once; never raises."""
        self._look()
        now = self._clock()
        reason = self._fault or reason
        self._fault = reason  # what passes from now on is not noted
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(LAST_S):
                if self._working is not None:
                    await asyncio.wait([self._working])
                pieces, self._pieces = self._pieces, []
                return await self._loop.run_in_executor(self._archive.pool, self._finish, pieces, now, reason)
        except TimeoutError:
            _log.error("a recording's file does not end in time", file=self._path.name, seconds=LAST_S)
            return Outcome("disk_slow")

    def _finish(self, pieces: list[Piece], upto: float, reason: str) -> Outcome:
        tape = self._tape
        try:
            if reason not in _BROKEN:
                self._work(pieces, upto)
        except OSError as error:
            _log.error("the end of a recording is lost", file=self._path.name, reason=repr(error))
            reason = _reason(error)
        try:
            tape.close()
        except OSError as error:
            _log.error("the end of a recording is lost", file=self._path.name, reason=repr(error))
        try:
            tape.path.replace(self._path)
            size = self._path.stat().st_size
        except OSError:
            return Outcome(reason)
        return Outcome(reason, self._path if tape.seconds else None, tape.seconds, size)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BROKEN = frozenset({"disk_full", "failed", "disk_slow"})
"""Nothing more can be written."""


def _reason(error: BaseException) -> str:
    return "disk_full" if isinstance(error, OSError) and error.errno in _FULL else "failed"
