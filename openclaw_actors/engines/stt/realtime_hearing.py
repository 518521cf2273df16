"""One utterance on a Realtime session: the stretches of it that were committed, and their words."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Protocol

from openai.types.realtime import InputAudioBufferAppendEvent, RealtimeClientEvent

from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.errors import EngineError
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE

REALTIME_RATE = 24_000
"""Hz: the only rate that the API takes as PCM."""

_SHORTEST = REALTIME_RATE // 10 * 2
"""Bytes: the API answers a commit of less than 0.1 s with an error; what is missing is filled up with silence."""

_PIECE = REALTIME_RATE * 2
"""Bytes in one message at most: 1 s, 64 kB as base64. The API takes 15 MiB, other servers' WebSockets 1 MiB."""


class Line(Protocol):
    """What a hearing needs of its session."""

    def claim(self, hearing: RealtimeHearing) -> None:
        """The input buffer is this hearing's from now on; another's unfinished sound in it is dropped."""

    def send(self, event: RealtimeClientEvent) -> None:
        """Send, as soon as it can be."""

    def commit(self, stretch: Stretch) -> None:
        """What is in the input buffer is ``stretch``: have its words recognised."""

    def release(self, hearing: RealtimeHearing) -> None:
        """Nobody waits for this hearing's words any more."""


class Stretch:
    """Sound that becomes one item: an utterance has one more for each time that its speaker went on."""

    __slots__ = ("hearing", "item", "settled", "size", "words")

    def __init__(self, hearing: RealtimeHearing) -> None:
        self.hearing = hearing
        self.item = ""
        """The server's id for it, once known."""
        self.words = ""
        self.settled = False
        """The words are final."""
        self.size = 0
        """Bytes in it."""

    def add(self, words: str) -> None:
        """More words, at its end."""
        self.words += words
        self.hearing.tell()

    def settle(self, words: str) -> None:
        """All its words."""
        changed, self.words, self.settled = words.strip() != self.words.strip(), words, True
        self.hearing.tell(changed=changed)


class RealtimeHearing:
    """Implements protocols.Hearing on a Line."""

    def __init__(self, line: Line, language: str, on_words: Callable[[str], object]) -> None:
        self._line = line
        self._language = language
        self._on_words = on_words
        self._stretches: list[Stretch] = []
        self._resampler = Resampler(SAMPLE_RATE, REALTIME_RATE)
        self._fault: EngineError | None = None
        self._dropped = False
        self._news = asyncio.Event()
        self.filling: Stretch | None = None
        """The stretch that is in the input buffer."""

    @property
    def words(self) -> str:
        """All words so far."""
        return " ".join(filter(None, (stretch.words.strip() for stretch in self._stretches)))

    @property
    def waiting(self) -> bool:
        """Whether words are still to come, or sound of it is in the input buffer."""
        return self.filling is not None or not all(stretch.settled for stretch in self._stretches)

    def push(self, pcm: bytes) -> None:
        """Take 16 kHz, mono, s16; see protocols.Hearing."""
        self._raise_fault()
        if self.filling is None:
            self._line.claim(self)
            self.filling = Stretch(self)
            self._stretches.append(self.filling)
            self._resampler = Resampler(SAMPLE_RATE, REALTIME_RATE)
        self._append(self._resampler.push(pcm))

    async def finish(self) -> Transcript:
        """All words; see protocols.Hearing."""
        self._raise_fault()
        if self.filling is not None:
            self._append(self._resampler.flush())
            self._append(bytes(max(0, _SHORTEST - self.filling.size)))
            stretch, self.filling = self.filling, None
            self._line.commit(stretch)
        while self.waiting:
            self._news.clear()
            await self._news.wait()
            self._raise_fault()
        return Transcript(self.words, self._language)

    def drop(self) -> None:
        """Give it up."""
        if not self._dropped:
            self._dropped = True
            self._line.release(self)

    def lose(self, fault: EngineError) -> None:
        """Its words will not come."""
        self.filling = None
        self._fault = fault
        self._news.set()

    def tell(self, *, changed: bool = True) -> None:
        """There is news of its words."""
        self._news.set()
        if changed and not self._dropped:
            self._on_words(self.words)

    def _append(self, pcm: bytes) -> None:
        assert self.filling is not None  # noqa: S101 - both callers have seen to it; this tells mypy
        self.filling.size += len(pcm)
        for start in range(0, len(pcm), _PIECE):
            audio = base64.b64encode(pcm[start : start + _PIECE]).decode()
            # As a model: the package takes 8 µs to send one, and 330 to look through a dictionary of the same.
            self._line.send(InputAudioBufferAppendEvent(type="input_audio_buffer.append", audio=audio))

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault
