"""What outlives a stage: the Call's own ring of audio, fence, and the marks that a new incarnation starts from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from openclaw_actors.messages import SAMPLE_RATE, AudioIn, ResumePlayout, Say
from openclaw_actors.turns.endpointing import EndpointState

RING_SPEECH_S = 30.0
"""The ring's bound while an utterance is open; at 25 s its end is forced, so nothing unheard is lost."""

RING_QUIET_S = 2.0
"""What is kept when the caller is silent: pre-roll for the next onset and the warm-up of a new VAD."""

_SPEECH, _QUIET = round(RING_SPEECH_S * SAMPLE_RATE), round(RING_QUIET_S * SAMPLE_RATE)


class Fence:
    """One integer that the Call writes and everyone reads: what belongs to a turn below it is stale."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn = 0

    def stale(self, turn: int) -> bool:
        """Whether ``turn`` has been given up."""
        return turn < self.turn


class AudioRing:
    """The caller's last seconds, by media time (16 kHz samples)."""

    def __init__(self) -> None:
        self._frames: deque[AudioIn] = deque()
        self.keep_from: int | None = None
        """The start of the oldest utterance that is not answered yet; None: the caller is silent."""

    @property
    def end(self) -> int:
        """Media time after the newest sample; 0 when nothing came yet."""
        return self._frames[-1].end if self._frames else 0

    def write(self, frame: AudioIn) -> None:
        """Append, and drop what is older than the bound."""
        frames = self._frames
        frames.append(frame)
        end = frame.end
        oldest = end - _QUIET if self.keep_from is None else max(end - _SPEECH, self.keep_from - _QUIET)
        while frames and frames[0].start < oldest:
            frames.popleft()

    def read(self, start: int, end: int | None = None) -> bytes:
        """PCM (s16 mono 16 kHz) from media time ``start`` to ``end``, as far as it is kept."""
        stop = self.end if end is None else end
        parts: list[bytes] = []
        for frame in reversed(self._frames):
            if frame.end <= start:
                break
            if frame.start >= stop:
                continue
            first = max(0, start - frame.start) * 2
            parts.append(frame.pcm[first : (stop - frame.start) * 2])
        parts.reverse()
        return b"".join(parts)

    def __len__(self) -> int:
        return len(self._frames)


@dataclass(slots=True)
class OpenUtterance:
    """An utterance that the Stt has still to hear to its end."""

    utterance: int
    rev: int = 0
    end: int | None = None
    """Where it (likely) ended; None while the caller speaks."""


@dataclass(slots=True)
class Delivery:
    """How much of the turn in synthesis has been handed on, so that a new Tts resumes there."""

    turn: int = 0
    unsaid: dict[int, Say] = field(default_factory=dict)
    """Phrases of the turn that are not wholly handed on yet, by index."""
    seconds: dict[int, float] = field(default_factory=dict)
    """Seconds of a phrase handed on so far, by index."""

    offered: list[str] = field(default_factory=list)
    """The words of all phrases of the turn, by index; an aside has none."""
    complete: bool = False
    """The turn's last phrase has been offered."""

    def offer(self, say: Say) -> None:
        """A phrase is on its way to the Tts; a newer turn ends the one before."""
        if say.turn != self.turn:
            self.turn = say.turn
            self.unsaid.clear()
            self.seconds.clear()
            self.offered.clear()
        self.offered.append("" if say.aside else say.text)
        self.unsaid[say.index] = say
        self.complete = say.last

    def words(self, turn: int) -> str:
        """All that has been offered of the turn."""
        return " ".join(filter(None, self.offered)) if turn == self.turn else ""

    def next_index(self, turn: int) -> int:
        """The index of the turn's next phrase."""
        return len(self.offered) if turn == self.turn else 0

    def handed_on(self, say: Say, seconds: float) -> None:
        """So much more of the phrase has been sent to the Transport."""
        if say.turn == self.turn:
            self.seconds[say.index] = self.seconds.get(say.index, 0.0) + seconds

    def skip(self) -> None:
        """Leave out what is left of the phrase in synthesis: nothing can speak it."""
        index = min(self.unsaid)
        self.unsaid[index] = replace(self.unsaid[index], text="")

    def done(self, say: Say) -> None:
        """The phrase has been sent whole."""
        if say.turn == self.turn:
            self.unsaid.pop(say.index, None)
            self.seconds.pop(say.index, None)


@dataclass(slots=True)
class Memory:
    """All of it."""

    fence: Fence = field(default_factory=Fence)
    ring: AudioRing = field(default_factory=AudioRing)
    endpoint: EndpointState | None = None
    unheard: dict[int, OpenUtterance] = field(default_factory=dict)
    """By utterance, oldest first."""
    heard_to: int = 0
    """Media time up to which the caller's words have been taken."""
    language: str = ""
    """What the caller speaks, once a recogniser was sure of it; BCP 47."""
    delivery: Delivery = field(default_factory=Delivery)
    asked: int = 0
    """The newest turn whose question an agent's engine was given: it may not be given all engines twice."""
    muted: bool = False
    held: bool = False
    resume_owed: ResumePlayout | None = None
    """A pause that was to end; a new Transport sees to it."""

    @property
    def deaf(self) -> bool:
        """Nobody listens to the caller now."""
        return self.muted or self.held
