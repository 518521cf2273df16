"""What the caller hears next: the queue of ready packets behind the outbound track, and the cursor in it.

The Playout belongs to the Call and outlives every stage: it plays on while any of them restarts, and what it says
was spoken is neither lost nor repeated by a restart. All calls are on the event loop.

A peer that plays in real time takes `next_packet` each 20 ms, and what it took is heard. A far end that keeps what it
is sent in a buffer of its own (a carrier's media stream) is sent packets ahead, and tells how many it has played:
only those count as spoken, and a pause takes the others back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from openclaw_actors.media.codecs import Codec, PhraseEncoder
from openclaw_actors.media.packets import PacketQueue
from openclaw_actors.media.phrase import PACKET_S, FarBuffer, Phrase, Sent
from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.media.taps import Taps
from openclaw_actors.messages import Speech, Spoken, VoiceStarted
from openclaw_actors.observability import metrics

__all__ = ["PACKET_S", "FarBuffer", "Playout"]


class Playout:
    """Plays Speech if, and only if, its turn is the released one and the voice is not paused.

    Args:
        codec: what the peer sends.
        on_moved: told that `take` has something; carries nothing, so that what was spoken has one order.
        clock: monotonic seconds.
    """

    def __init__(self, codec: Codec, on_moved: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.codec = codec
        self._packet_bytes = 2 * codec.packet_samples
        self.released = 0
        self.pause_number = 0
        """0: not paused; else which pause this is, so that a late end of an earlier one ends nothing."""
        self._pauses = 0
        self._fence = 0
        self._queue: deque[Phrase] = deque()
        self._clip: deque[bytes] = deque()
        self._hold: tuple[bytes, ...] | None = None
        self._hold_at = 0
        self._separate = False
        self._voiced_turn = 0
        self._far: FarBuffer | None = None
        self._sent: deque[Sent] = deque()
        self._moves: list[Spoken | VoiceStarted] = []
        self._on_moved = on_moved
        self._clock = clock
        self.taps = Taps()
        """Are told of each packet when the caller hears it."""
        self.sent = SentVoice()
        """The last that left, for who would know our own voice again."""

    # --- the peer's side --------------------------------------------------------------------------

    def next_packet(self) -> bytes:
        """The packet for the next 20 ms. Never raises, never blocks; silence when there is nothing to say."""
        if self._far is not None:
            self.send_ahead(None)  # another peer has taken over
        taken = self._take_packet()
        packet = self.codec.silence if taken is None else taken.packet
        for tap in self.taps.all:
            tap.sent(packet, self.codec)
        if taken is None or taken.phrase is None:
            if taken is None and self._queue:
                self._run_dry(self._queue[0])
            self.sent.silence()
            return packet
        at = taken.phrase.played * self._packet_bytes
        self.sent.voice(bytes(taken.phrase.pcm[at : at + self._packet_bytes]))
        self._hear(taken.phrase)
        return packet

    def _run_dry(self, phrase: Phrase) -> None:
        """Count a gap in the middle of a phrase, once: its voice is slower than speech."""
        waits = phrase.played and not (phrase.packets or phrase.complete)
        if waits and not phrase.dry and not self._held(phrase):
            phrase.dry = True
            metrics.playout_gaps_total.inc()

    def send_ahead(self, far: FarBuffer | None) -> None:
        """From now on ``far`` takes `send_packet` and tells `heard`; with None, somebody takes `next_packet` again.

        What an earlier far end had in its buffer is to be sent again.
        """
        self._take_back()
        self._far = far

    def send_packet(self) -> bytes | None:
        """The next 20 ms for the far end's buffer; None: there is nothing to say. Never raises, never blocks."""
        sent = self._take_packet()
        if sent is None:
            return None
        if sent.phrase is not None:
            sent.phrase.on_the_way += 1
        self._sent.append(sent)
        return sent.packet

    def heard(self, packets: int) -> None:
        """The far end has played so many more of the packets that are in its buffer."""
        heard = [self._sent.popleft() for _ in range(min(packets, len(self._sent)))]
        if self.taps.all and heard:
            played = tuple(sent.packet for sent in heard)
            for tap in self.taps.all:
                tap.played(played, self.codec)
        for sent in heard:
            if sent.phrase is not None:
                sent.phrase.on_the_way -= 1
                self._hear(sent.phrase)

    def _take_packet(self) -> Sent | None:
        if self._clip:
            return Sent(self._clip.popleft(), of_clip=True)
        if self._hold is not None:
            return self._hold_packet()
        if self._separate and self._far is None and self._queue and not self._held(self._queue[0]):
            # A decoder carries state from one packet to the next; one packet of silence parts two encodes. What is
            # sent ahead is mu-law, whose samples stand each for itself.
            self._separate = False
            return None
        phrase = self._next_phrase()
        return None if phrase is None else self._voice(phrase)

    def _next_phrase(self) -> Phrase | None:
        """The phrase whose packets are next, behind those that are on the way as a whole."""
        self._finish()
        for phrase in self._queue:
            if self._held(phrase) or not (phrase.packets or phrase.complete):
                break
            if phrase.packets:
                return phrase
        return None

    def _voice(self, phrase: Phrase) -> Sent:
        if self._voiced_turn != phrase.turn:
            self._voiced_turn = phrase.turn
            self._move(VoiceStarted(phrase.turn, self._clock()))
        return Sent(phrase.packets.popleft(), phrase)

    @property
    def has_sound(self) -> bool:
        """Whether sound of a phrase is there for the next packet, and may be heard."""
        if self._clip:
            return True
        if self._hold is not None or self.paused or self._separate or not self._queue:
            return False
        return bool(self._queue[0].packets) and self._queue[0].turn == self.released

    def _hold_packet(self) -> Sent | None:
        if not self._hold:
            return None
        packet = self._hold[self._hold_at]
        self._hold_at = (self._hold_at + 1) % len(self._hold)
        return Sent(packet)

    def _hear(self, phrase: Phrase) -> None:
        phrase.played += 1
        self._finish()

    def _finish(self) -> None:
        """Report the phrases that are over."""
        while self._queue and self._queue[0].is_over and not self._held(self._queue[0]):
            phrase = self._queue.popleft()
            self._separate = bool(phrase.played)
            self._move(Spoken(phrase.turn, phrase.index, phrase.text, phrase.ends_turn))

    def _take_back(self) -> None:
        """What the far end has not played is to be sent again, or forgotten if it was music."""
        if not self._sent:
            return
        while self._sent:
            sent = self._sent.pop()
            if sent.phrase is not None:
                sent.phrase.on_the_way -= 1
                sent.phrase.packets.appendleft(sent.packet)
            elif sent.of_clip:
                self._clip.appendleft(sent.packet)
        if self._far is not None:
            self._far.clear()

    def _more(self) -> None:
        if self._far is not None:
            self._far.more()

    # --- the Transport's side ---------------------------------------------------------------------

    def add(self, speech: Speech) -> None:
        """Queue sound; stale turns are dropped."""
        if speech.turn < self._fence:
            return
        phrase = self._queue[-1] if self._queue else None
        if phrase is None or phrase.complete or (phrase.turn, phrase.index) != (speech.turn, speech.index):
            phrase = Phrase(speech.turn, speech.index)
            self._queue.append(phrase)
        phrase.text = speech.text or phrase.text
        packets = speech.packets if phrase.encoder is None else phrase.encoder.encode(speech.pcm).packets
        phrase.packets.extend(packets)
        phrase.dry = False
        phrase.pcm += speech.pcm
        phrase.words.extend(speech.words)
        phrase.complete = speech.ends_phrase
        phrase.ends_turn = speech.ends_turn
        self._finish()
        self._more()

    def _held(self, phrase: Phrase) -> bool:
        return self.paused or self._hold is not None or phrase.turn != self.released

    def _broken_off(self) -> Phrase | None:
        """The phrase of which the caller has heard a part, and of which some is left or still to arrive."""
        phrase = self._queue[0] if self._queue else None
        return phrase if phrase and phrase.played and (phrase.packets or not phrase.complete) else None

    def renew(self, turn: int, encoder: PhraseEncoder) -> None:
        """What is left of a phrase of this turn that was broken off is played as ``encoder`` makes it.

        So is what is still to arrive of it. The decoder heard something else in between: on the old encoder's packets
        it would click.
        """
        phrase = self._broken_off()
        if phrase is None or phrase.turn != turn:
            return
        phrase.encoder = encoder
        left = bytes(phrase.pcm[phrase.played * self._packet_bytes :])
        phrase.packets = PacketQueue(encoder.encode(left).packets)
        self._separate = True

    def drop_rest(self, turn: int, index: int) -> None:
        """Forget what a phrase has still to play, unless it is complete: it is begun anew by another voice."""
        for phrase in self._queue:
            if (phrase.turn, phrase.index) == (turn, index) and not phrase.complete:
                self._take_back()
                self._queue.remove(phrase)
                self._separate = bool(phrase.played)
                self._more()
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
        if self._hold is None:
            self._take_back()
            self._more()
        return self.pause_number

    def resume(self, pause: int) -> None:
        """End this pause, if it is still the one."""
        if self.pause_number == pause:
            self.pause_number = 0
            self._more()

    def release(self, turn: int) -> None:
        """This turn may be heard."""
        self.released = turn
        self._more()

    def cut(self, fence: int) -> None:
        """Everything below ``fence`` is silent from the next packet on; the phrase in play is reported as cut."""
        self._fence = max(self._fence, fence)
        self.pause_number = 0
        if any(sent.phrase is not None and sent.phrase.turn < self._fence for sent in self._sent):
            self._take_back()
        while self._queue and self._queue[0].turn < self._fence:
            phrase = self._queue.popleft()
            if phrase.played:
                self._separate = True
                self._move(Spoken(phrase.turn, phrase.index, phrase.spoken_part(), ends_turn=True, cut=True))
        self._more()

    def hold(self, loop: tuple[bytes, ...]) -> None:
        """Play ``loop`` round and round (silence if it is empty) from the next packet on; what is queued waits."""
        self._take_back()
        self._hold, self._hold_at = loop, 0
        self._more()

    def unhold(self) -> int:
        """End the hold; the turn whose phrase it broke off, 0 if none.

        That turn is left paused: what is left of it needs a new encode (see `renew`).
        """
        if self._hold is None:
            return 0
        self._take_back()
        self._hold = None
        self._separate = True
        self._more()
        phrase = self._broken_off()
        if phrase is None or self.paused:
            return 0
        self.pause()
        return phrase.turn

    def play_clip(self, packets: tuple[bytes, ...]) -> None:
        """Play ready packets at once, before everything else: the apology that needs no stage."""
        self._take_back()
        self._clip.extend(packets)
        self._more()

    def take(self) -> list[Spoken | VoiceStarted]:
        """What has been played since the last call, in order."""
        moves, self._moves = self._moves, []
        return moves

    @property
    def clip_seconds(self) -> float:
        """How much of the clip is still to play."""
        return (len(self._clip) + sum(sent.of_clip for sent in self._sent)) * PACKET_S

    def speaking(self, turn: int) -> bool:
        """Whether the turn's voice has begun."""
        return self._voiced_turn == turn

    def _move(self, move: Spoken | VoiceStarted) -> None:
        self._moves.append(move)
        self._on_moved()
