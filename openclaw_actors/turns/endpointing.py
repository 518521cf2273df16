"""Endpointing: from the probability of voice to "the caller has begun" and "the caller has finished".

Pure: time is counted in samples of media time, never by a clock, so catching up faster than real time is harmless.

One utterance is SpeechStarted, LikelyEnd(0), Resumed(1), LikelyEnd(1), ..., TurnEnded(rev), with SpeechSustained
somewhere in it at most once. Each SpeechStarted is followed by one TurnEnded, of the rev and the end of the last
LikelyEnd.

How long a silence ends the turn depends on how finished the caller sounds, so the words are waited for: nothing can be
answered without them anyway. When they do not come, the turn ends after ``max_silence_ms``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openclaw_actors.messages import (
    SAMPLE_RATE,
    LikelyEnd,
    Resumed,
    SpeechStarted,
    SpeechSustained,
    TurnEnded,
)
from openclaw_actors.settings.sections import Turns
from openclaw_actors.turns.endpoint_delay import CUT_OFF_MS, EndpointDelay
from openclaw_actors.turns.vad import SILENCE, WINDOW, Vad

TurnEvent = SpeechStarted | SpeechSustained | LikelyEnd | Resumed | TurnEnded

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_WINDOW_MS = WINDOW / _SAMPLES_PER_MS
_PCM = np.dtype("<i2")
_FULL_SCALE = np.float32(1 / 32_768)
_SILENT_PCM = bytes(2 * WINDOW)

_VOICED, _STILL_VOICED = 0.5, 0.35
"""Silero's own hysteresis: a voice begins above the one and lasts above the other. Steady noise, hum and tones give
0.3 at most, and 0.5 for single windows, which ``start_ms`` takes care of. Onsets come a median 27 ms late."""

_LIKELY_END = WINDOW
"""Samples of silence that are perhaps the end: one window. Over 15 flite sentences that made 23 likely ends too many,
64 ms would make 17: a third more transcripts in vain, and every answer 32 ms sooner. The model's last voiced window
ends a median 31 ms (at most 51) after the voice, so the caller has been quiet for some 60 ms by then."""

_LONGEST = 25 * SAMPLE_RATE
"""Samples after which an utterance is ended by force, while the ring (30 s) still holds all of it."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What a new incarnation needs to go on. All but the delay can also be had from the messages that were sent.

    Args:
        utterance: the open utterance, None when nobody speaks.
        rev: its revision.
        voiced_ms: voice in it; ``interrupt_ms`` or more means that SpeechSustained was sent.
        end: media time just after the last voiced sample. While a voice lasts it may be older: an incarnation that
            starts amid an utterance takes all before its own first sample for voice, so that no word is left out.
        voiced_at: when that sample arrived, monotonic seconds; 0: not known.
        likely_over: LikelyEnd(rev) was sent, and no Resumed after it.
        endpoint_delay_ms: as adapted to this caller so far; 0: as in the settings.
        words: how complete the words of this revision are; None: not known yet.
        sound: how complete it sounds, by the semantic model, likewise.
    """

    utterance: int | None = None
    rev: int = 0
    voiced_ms: float = 0
    end: int = 0
    voiced_at: float = 0
    likely_over: bool = False
    endpoint_delay_ms: float = 0
    words: float | None = None
    sound: float | None = None


class Endpointer:
    """Decides when the caller speaks and when their turn is over, from frames of any length and alignment.

    Cost with Silero: see ``push``. Times in events are media time in samples; ``end`` is just after the last voiced
    window. The unvoiced tail of a word may reach some 10 ms beyond it, and its head lie before ``utterance`` (190 ms in
    a slow "stop"): who transcribes takes 250 ms more on that side.

    Args:
        settings: ``start_ms``, ``interrupt_ms``, ``silence_ms`` and ``max_silence_ms`` are used.
        vad: hears this stream alone.
        state: an earlier incarnation's; an utterance open in it is carried on, and ends in silence like any other.
    """

    def __init__(self, settings: Turns, *, vad: Vad, state: EndpointState | None = None) -> None:
        state = state or EndpointState()
        self._settings = settings
        self._vad = vad
        self._delay = EndpointDelay(settings.silence_ms, settings.max_silence_ms, state.endpoint_delay_ms)
        self._utterance = state.utterance
        self._rev = state.rev
        self._voiced_ms = state.voiced_ms
        self._sustained = state.voiced_ms >= settings.interrupt_ms
        self._end = max(state.end, state.utterance or 0)
        self._voiced_at = state.voiced_at
        self._likely_over = state.likely_over
        self._words, self._sound = state.words, state.sound
        self._voiced = False  # as of the last window
        self._run = 0  # voiced windows in a row that do not count as a voice yet
        self._run_start, self._run_at = 0, 0.0
        self._silent_from = 0  # media time from which the silence is counted
        self._cut_at: int | None = None  # where silence ended the last turn, until we know if that was right
        self._pause = (-1, 0.0)  # the utterance begun last, and the milliseconds before it, if they may be a pause
        self._buffer = bytearray()
        self._buffer_at = 0.0  # arrival of the frame that holds the buffer's first sample
        self._position = -1  # media time just after the last sample taken; negative: none was

    def snapshot(self) -> EndpointState:
        """What a new incarnation needs to go on from here."""
        return EndpointState(
            self._utterance,
            self._rev,
            self._voiced_ms,
            self._end,
            self._voiced_at,
            self._likely_over,
            self._delay.ms,
            self._words,
            self._sound,
        )

    def weigh(
        self, utterance: int, rev: int, *, words: float | None = None, sound: float | None = None
    ) -> list[TurnEvent]:
        """How finished the caller is, 0 to 1, by their words and by the tune of their voice; that may end the turn.

        What is said of another revision than the present one is no news.
        """
        if utterance != self._utterance or rev != self._rev or not self._likely_over:
            return []
        self._words = self._words if words is None else words
        self._sound = self._sound if sound is None else sound
        events: list[TurnEvent] = []
        self._judge(utterance, self._position - len(self._buffer) // 2, events)
        return events

    def cut_off(self, utterance: int) -> None:
        """The turn before ``utterance`` had not been over: who pauses so long shall not be cut off again.

        A pause that is longer than could ever be waited for teaches nothing.
        """
        begun, pause_ms = self._pause
        if utterance == begun and pause_ms <= self._delay.longest_ms:
            self._pause = (-1, 0.0)
            self._delay.pause(pause_ms)

    def warm(self, pcm: bytes) -> None:
        """Let the voice detector hear past audio before the first ``push``; nothing is emitted.

        Args:
            pcm: 16 kHz mono s16, up to where ``push`` will begin; only its last second is used.
        """
        size = 2 * WINDOW
        self._vad.reset()
        for offset in range(max(0, len(pcm) - 2 * SAMPLE_RATE), len(pcm) - size + 1, size):
            self._probability(pcm[offset : offset + size])

    def push(self, start: int, pcm: bytes, arrived_at: float) -> list[TurnEvent]:
        """Take the next audio.

        A 20 ms frame costs 65-75 µs with Silero (one thread of a shared EPYC), 4-6 µs in digital silence and with
        EnergyVad; 2 µs of it are this class's own.

        Args:
            start: media time of its first sample. What was taken before is dropped; a jump ahead counts as silence.
            pcm: 16 kHz mono s16.
            arrived_at: monotonic seconds, only handed on in events.
        """
        events: list[TurnEvent] = []
        if self._position < 0:
            self._begin(start, arrived_at)
        elif start > self._position:
            self._jump(self._position, start, arrived_at, events)
        pcm = pcm[2 * (self._position - start) :]
        if not self._buffer:
            self._buffer_at = arrived_at
        self._buffer += pcm
        self._position += len(pcm) // 2
        while len(self._buffer) >= 2 * WINDOW:
            probability = self._probability(bytes(self._buffer[: 2 * WINDOW]))
            del self._buffer[: 2 * WINDOW]
            self._take(self._position - len(self._buffer) // 2, probability, arrived_at, events)
            self._buffer_at = arrived_at
        return events

    def _begin(self, start: int, arrived_at: float) -> None:
        """The first audio. What an earlier incarnation left open may have been voiced up to here: nobody listened."""
        self._position = self._silent_from = start
        if self._utterance is not None and not self._likely_over:
            self._end, self._voiced_at = max(self._end, start), arrived_at

    def _probability(self, pcm: bytes) -> float:
        return self._vad.probability(SILENCE if pcm == _SILENT_PCM else np.frombuffer(pcm, _PCM) * _FULL_SCALE)

    def _jump(self, position: int, start: int, arrived_at: float, events: list[TurnEvent]) -> None:
        """Audio up to ``start`` is missing: silence, which ends an open utterance in its time."""
        self._position = start
        self._buffer.clear()
        self._vad.reset()
        self._voiced, self._run = False, 0
        while self._utterance is not None and position < start:
            position = min(position + WINDOW, start)
            self._take(position, 0.0, arrived_at, events)

    def _take(self, end: int, probability: float, arrived_at: float, events: list[TurnEvent]) -> None:
        """One window, up to media time ``end``: move the state, and add what that makes true."""
        self._voiced = probability >= (_STILL_VOICED if self._voiced else _VOICED)
        if self._utterance is None or self._likely_over:
            self._await_voice(end, arrived_at, events)
        elif self._voiced:
            self._hear(end, arrived_at, _WINDOW_MS)
        if self._utterance is not None:
            self._judge(self._utterance, end, events)

    def _await_voice(self, end: int, arrived_at: float, events: list[TurnEvent]) -> None:
        """Nobody speaks, or not any more. ``start_ms`` of voice in a row is somebody; a click (32 ms) is not."""
        if not self._voiced:
            self._run = 0
            return
        if not self._run:
            self._run_start, self._run_at = end - WINDOW, self._buffer_at
        self._run += 1
        run_ms = self._run * _WINDOW_MS
        if run_ms < self._settings.start_ms:
            return
        self._run = 0
        if self._utterance is None:
            self._learn_if_cut_off()
            self._utterance, self._rev, self._voiced_ms, self._sustained = self._run_start, 0, 0.0, False
            self._words = self._sound = None
            events.append(SpeechStarted(self._utterance, self._run_at))
        else:
            self._delay.pause(self._pause_ms(), self._score())
            self._rev += 1
            self._likely_over = False
            self._words = self._sound = None
            events.append(Resumed(self._utterance, self._rev))
        self._hear(end, arrived_at, run_ms)

    def _pause_ms(self) -> float:
        """The silence before the voice that begins now."""
        return (self._run_start - self._end) / _SAMPLES_PER_MS

    def _learn_if_cut_off(self) -> None:
        """Silence ended the turn before; by now it shows whether it should have. The Call may know better later."""
        if self._cut_at is None:
            return
        if self._run_start - self._cut_at <= CUT_OFF_MS * _SAMPLES_PER_MS:
            self._delay.pause(self._pause_ms(), self._score())
        else:
            self._delay.turn_was_whole()
            self._pause = (self._run_start, self._pause_ms())

    def _score(self) -> float | None:
        """How complete, by all that is known: words that break off and a voice that does not count the same."""
        known = [score for score in (self._words, self._sound) if score is not None]
        return sum(known) / len(known) if self._words is not None else None

    def _wanted_ms(self) -> float:
        """Silence that ends the turn. Without the words there would be nothing to answer."""
        score = self._score()
        return self._delay.after(score) if score is not None else self._delay.longest_ms

    def _hear(self, end: int, arrived_at: float, voiced_ms: float) -> None:
        self._voiced_ms += voiced_ms
        self._end = self._silent_from = end
        self._voiced_at = arrived_at

    def _judge(self, utterance: int, now: int, events: list[TurnEvent]) -> None:
        """An utterance is open at media time ``now``: is it sustained, likely over, over?"""
        if self._voiced_ms >= self._settings.interrupt_ms and not self._sustained:
            self._sustained = True
            events.append(SpeechSustained(utterance))
        silence = now - self._silent_from
        too_long = now - utterance >= _LONGEST
        if not self._likely_over and (silence >= _LIKELY_END or too_long):
            self._likely_over = True
            events.append(LikelyEnd(utterance, self._rev, self._end))
        # A voice that may be coming back holds the end up until it is clear that it does not.
        wanted_ms = self._wanted_ms()
        silent = self._likely_over and not self._run and silence >= wanted_ms * _SAMPLES_PER_MS
        if silent or too_long:
            events.append(TurnEnded(utterance, self._rev, self._end, self._voiced_at, wanted_ms))
            self._utterance, self._likely_over, self._run = None, False, 0
            self._cut_at = None if too_long else now
