"""What the caller hears next: the queue of ready packets behind the outbound track, and the cursor in it.

The Playout belongs to the Call and outlives every stage: it plays on while any of them restarts, and what it says
was spoken is neither lost nor repeated by a restart. All calls are on the event loop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.messages import Speech, Spoken, VoiceStarted, WordTime

PACKET_S = 0.02
"""Seconds of sound in one packet."""


@dataclass(slots=True)
class _Phrase:
    """One phrase as it arrives and as it is played. ``packets`` are still to play; ``played`` counts the others."""

    turn: int
    index: int
    text: str = ""
    packets: deque[bytes] = field(default_factory=deque)
    pcm: bytearray = field(default_factory=bytearray)
    played: int = 0
    complete: bool = False
    ends_turn: bool = False
    words: list[WordTime] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rest:
    """The part of a paused phrase that was not played: PCM at the codec's rate."""

    turn: int
    index: int
    pcm: bytes


class Playout:
    """Plays Speech if, and only if, its turn is the released one and the voice is not paused.

    Args:
        codec: what the peer sends.
        on_moved: told that `take` has something; carries nothing, so that what was spoken has one order.
        clock: monotonic seconds.
    """

    def __init__(self, codec: Codec, on_moved: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.codec = codec
        self.released = 0
        self.pause_number = 0
        """0: not paused; else which pause this is, so that a late end of an earlier one ends nothing."""
        self._pauses = 0
        self._fence = 0
        self._queue: deque[_Phrase] = deque()
        self._clip: deque[bytes] = deque()
        self._hold: tuple[bytes, ...] | None = None
        self._hold_at = 0
        self._separate = False
        self._voiced_turn = 0
        self._moves: list[Spoken | VoiceStarted] = []
        self._on_moved = on_moved
        self._clock = clock
        self.sent = SentVoice()
        """The last that left, for who would know our own voice again."""

    # --- the peer's side --------------------------------------------------------------------------

    def next_packet(self) -> bytes:
        """The packet for the next 20 ms. Never raises, never blocks; silence when there is nothing to say."""
        sent = self.sent.position
        packet = self._next()
        if self.sent.position == sent:
            self.sent.silence()
        return packet

    def _next(self) -> bytes:
        if self._clip:
            return self._clip.popleft()
        if self._hold is not None:
            return self._hold_packet()
        phrase = self._queue[0] if self._queue and not self.paused else None
        if phrase is None or phrase.turn != self.released:
            return self.codec.silence
        if self._separate:
            # A decoder carries state from one packet to the next; one packet of silence parts two encodes.
            self._separate = False
            return self.codec.silence
        if not phrase.packets:
            self._finish_if_complete()
            return self.codec.silence
        packet = phrase.packets.popleft()
        at = phrase.played * self._packet_bytes
        self.sent.voice(bytes(phrase.pcm[at : at + self._packet_bytes]))
        phrase.played += 1
        if self._voiced_turn != phrase.turn:
            self._voiced_turn = phrase.turn
            self._move(VoiceStarted(phrase.turn, self._clock()))
        if not phrase.packets:
            self._finish_if_complete()
        return packet

    def _hold_packet(self) -> bytes:
        if not self._hold:
            return self.codec.silence
        packet = self._hold[self._hold_at]
        self._hold_at = (self._hold_at + 1) % len(self._hold)
        return packet

    def _finish_if_complete(self) -> None:
        phrase = self._queue[0]
        if not phrase.complete:
            return
        self._queue.popleft()
        self._separate = bool(phrase.played)
        self._move(Spoken(phrase.turn, phrase.index, phrase.text, phrase.ends_turn))

    # --- the Transport's side ---------------------------------------------------------------------

    def add(self, speech: Speech) -> None:
        """Queue sound; stale turns are dropped."""
        if speech.turn < self._fence:
            return
        phrase = self._queue[-1] if self._queue else None
        if phrase is None or phrase.complete or (phrase.turn, phrase.index) != (speech.turn, speech.index):
            phrase = _Phrase(speech.turn, speech.index)
            self._queue.append(phrase)
        phrase.text = speech.text or phrase.text
        phrase.packets.extend(speech.packets)
        phrase.pcm += speech.pcm
        phrase.words.extend(speech.words)
        phrase.complete = speech.ends_phrase
        phrase.ends_turn = speech.ends_turn
        if phrase.complete and not phrase.packets and self._queue[0] is phrase and not self._held(phrase):
            self._finish_if_complete()

    def _held(self, phrase: _Phrase) -> bool:
        return self.paused or self._hold is not None or phrase.turn != self.released

    def rest(self) -> Rest | None:
        """What the phrase in play has left, for a new encode; None when nothing was begun."""
        if not self._queue:
            return None
        phrase = self._queue[0]
        if not phrase.played or not phrase.packets:
            return None
        return Rest(phrase.turn, phrase.index, bytes(phrase.pcm[phrase.played * self._packet_bytes :]))

    def replace_rest(self, rest: Rest, packets: tuple[bytes, ...]) -> None:
        """Play ``packets``, the new encode of ``rest``, in place of the old one; what has arrived since stays."""
        if not self._queue:
            return
        phrase = self._queue[0]
        if (phrase.turn, phrase.index) != (rest.turn, rest.index):
            return
        covered = len(rest.pcm) // self._packet_bytes
        later = list(phrase.packets)[covered:]
        phrase.packets = deque((*packets[:covered], *later)) if later else deque(packets)
        self._separate = True

    def drop_rest(self, turn: int, index: int) -> None:
        """Forget what a phrase has still to play, unless it is complete: it is begun anew by another voice."""
        for phrase in self._queue:
            if (phrase.turn, phrase.index) == (turn, index) and not phrase.complete:
                self._queue.remove(phrase)
                self._separate = bool(phrase.played)
                return

    # --- the Call's side --------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether the voice is held."""
        return self.pause_number != 0

    def pause(self) -> int:
        """Hold the voice; the number of this pause."""
        self._pauses += 1
        self.pause_number = self._pauses
        return self.pause_number

    def resume(self, pause: int) -> None:
        """End this pause, if it is still the one."""
        if self.pause_number == pause:
            self.pause_number = 0

    def release(self, turn: int) -> None:
        """This turn may be heard."""
        self.released = turn

    def cut(self, fence: int) -> None:
        """Everything below ``fence`` is silent from the next packet on; the phrase in play is reported as cut."""
        self._fence = max(self._fence, fence)
        self.pause_number = 0
        while self._queue and self._queue[0].turn < self._fence:
            phrase = self._queue.popleft()
            if phrase.played:
                self._separate = True
                self._move(Spoken(phrase.turn, phrase.index, self._spoken_part(phrase), ends_turn=True, cut=True))

    def hold(self, loop: tuple[bytes, ...]) -> None:
        """Play ``loop`` round and round (silence if it is empty) from the next packet on; what is queued waits."""
        self._hold, self._hold_at = loop, 0

    def unhold(self) -> int:
        """End the hold; the turn whose phrase it broke off, 0 if none.

        That turn is left paused: its rest needs a new encode (see `rest`), as the decoder has heard something else.
        """
        if self._hold is None:
            return 0
        self._hold = None
        self._separate = True
        rest = self.rest()
        if rest is None or self.paused:
            return 0
        self.pause()
        return rest.turn

    def play_clip(self, packets: tuple[bytes, ...]) -> None:
        """Play ready packets at once, before everything else: the apology that needs no stage."""
        self._clip.extend(packets)

    def take(self) -> list[Spoken | VoiceStarted]:
        """What has been played since the last call, in order."""
        moves, self._moves = self._moves, []
        return moves

    @property
    def clip_seconds(self) -> float:
        """How much of the clip is still to play."""
        return len(self._clip) * PACKET_S

    def speaking(self, turn: int) -> bool:
        """Whether the turn's voice has begun."""
        return self._voiced_turn == turn

    def _move(self, move: Spoken | VoiceStarted) -> None:
        self._moves.append(move)
        self._on_moved()

    def _spoken_part(self, phrase: _Phrase) -> str:
        if phrase.words and phrase.text:
            heard_s = phrase.played * PACKET_S
            return phrase.text[: max((word.chars for word in phrase.words if word.at <= heard_s), default=0)]
        if not phrase.complete:
            total = max(len(phrase.packets) + phrase.played, round(len(phrase.text) / 15 / PACKET_S))  # 15 letters/s
        else:
            total = len(phrase.packets) + phrase.played
        words = phrase.text.split()
        return " ".join(words[: round(len(words) * min(1.0, phrase.played / max(1, total)))])

    @property
    def _packet_bytes(self) -> int:
        return round(self.codec.pcm_rate * PACKET_S) * 2
