"""The state machine, driven by scripted probabilities: one number a 32 ms window."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.messages import FRAME, LikelyEnd, Resumed, SpeechStarted, SpeechSustained, TurnEnded
from openclaw_actors.settings.sections import Turns
from openclaw_actors.turns.completeness import STATEMENT
from openclaw_actors.turns.endpointing import Endpointer, EndpointState, TurnEvent
from openclaw_actors.turns.vad import WINDOW, Window
from tests.turns.conftest import told

LATENCY = 0.02
V, S = 0.9, 0.1  # voice, silence


class Script:
    """A Vad that answers from a list, then hears silence for ever."""

    def __init__(self, probabilities: Iterable[float]) -> None:
        self.left = list(probabilities)
        self.resets = 0

    def probability(self, window: Window) -> float:
        assert window.shape == (WINDOW,)
        assert window.dtype == np.float32
        return self.left.pop(0) if self.left else 0.0

    def reset(self) -> None:
        self.resets += 1


class Listener:
    """Pushes 20 ms frames, each arriving LATENCY after its last sample was spoken; words come at once."""

    def __init__(
        self,
        probabilities: Iterable[float],
        state: EndpointState | None = None,
        *,
        words: float | None = 1.0,
        **turns: int,
    ) -> None:
        self.settings = Turns(**turns)  # type: ignore[arg-type]  # the bools are not used here
        self.vad = Script(probabilities)
        self.endpointer = Endpointer(self.settings, vad=self.vad, state=state)
        self.position = 0
        self.words = words

    def frames(self, count: int) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        for _ in range(count):
            start, self.position = self.position, self.position + FRAME
            events += self.push(start, bytes(2 * FRAME), self.position / 16_000 + LATENCY)
        return events

    def push(self, start: int, pcm: bytes, arrived_at: float) -> list[TurnEvent]:
        """One frame; a likely end is transcribed at once, and what is said sounds as finished as ``words`` says."""
        return told(self.endpointer, self.endpointer.push(start, pcm, arrived_at), self.words)

    def windows(self, count: int) -> list[TurnEvent]:
        """As many frames as complete ``count`` windows."""
        return self.frames(-(-count * WINDOW // FRAME))

    def all(self) -> list[TurnEvent]:
        """The whole script, and then 2 s of silence."""
        return self.windows(len(self.vad.left)) + self.frames(100)


def arrival(sample: int) -> float:
    """When the frame that holds the sample just before ``sample`` arrived."""
    return -(-sample // FRAME) * FRAME / 16_000 + LATENCY


def kinds(events: Sequence[TurnEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_one_short_word_is_an_utterance() -> None:
    began, end = 10 * WINDOW, 13 * WINDOW
    assert Listener([S] * 10 + [V] * 3).all() == [
        SpeechStarted(began, arrival(began + 1)),
        LikelyEnd(began, 0, end),
        TurnEnded(began, 0, end, arrival(end), 200),
    ]


def test_a_click_of_one_window_is_nobody() -> None:
    assert Listener([S] * 5 + [V] + [S] * 5 + [V] + [S] * 5).all() == []


def test_onset_is_told_when_64_ms_of_voice_are_in() -> None:
    listener = Listener([V] * 20)
    assert listener.frames(3) == []
    assert kinds(listener.frames(1)) == ["SpeechStarted"]  # 80 ms: the first frame that completes two windows


@pytest.mark.parametrize(("start_ms", "windows"), [(0, 1), (32, 1), (64, 2), (200, 7)])
def test_start_ms_rules_how_much_voice_is_somebody(start_ms: int, windows: int) -> None:
    assert Listener([V] * (windows - 1), start_ms=start_ms).all() == []
    assert "SpeechStarted" in kinds(Listener([V] * windows, start_ms=start_ms).all())


def test_sustained_voice_is_told_once_when_it_reaches_interrupt_ms() -> None:
    listener = Listener([V] * 40)
    assert kinds(listener.windows(15)) == ["SpeechStarted"]
    assert listener.windows(1) == [SpeechSustained(0)]
    assert "SpeechSustained" not in kinds(listener.all())


def test_voice_on_both_sides_of_a_pause_counts_towards_sustained() -> None:
    events = kinds(Listener([V] * 9 + [S] * 3 + [V] * 9).all())
    assert events == ["SpeechStarted", "LikelyEnd", "Resumed", "SpeechSustained", "LikelyEnd", "TurnEnded"]


def test_a_short_utterance_is_never_sustained() -> None:
    assert "SpeechSustained" not in kinds(Listener([V] * 15).all())


def test_who_sounds_unfinished_is_waited_for() -> None:
    pause = [S] * 31  # 992 ms
    broken_off = Listener([V] * 10 + pause + [V] * 10, words=0.05).all()
    assert kinds(broken_off)[:4] == ["SpeechStarted", "LikelyEnd", "Resumed", "SpeechSustained"]
    finished = Listener([V] * 10 + pause + [V] * 10, words=1.0).all()
    assert kinds(finished)[:3] == ["SpeechStarted", "LikelyEnd", "TurnEnded"]


def test_a_statement_has_time_for_a_short_pause_and_no_more() -> None:
    assert kinds(Listener([V] * 10 + [S] * 9 + [V] * 10, words=STATEMENT).windows(25)) == [
        "SpeechStarted", "LikelyEnd", "Resumed", "SpeechSustained",
    ]  # fmt: skip
    (ended,) = [e for e in Listener([V] * 10, words=STATEMENT).windows(24) if isinstance(e, TurnEnded)]
    assert 350 < ended.wanted_ms < 400


def test_without_words_the_turn_ends_when_nobody_would_wait_longer() -> None:
    listener = Listener([V] * 10, words=None)
    assert "TurnEnded" not in kinds(listener.windows(10 + 46))
    assert kinds(listener.windows(2)) == ["TurnEnded"]


def test_words_that_come_late_end_the_turn_the_moment_they_come() -> None:
    listener = Listener([V] * 10, words=None)
    listener.windows(10 + 20)
    assert listener.endpointer.weigh(0, 0, words=1.0) == [TurnEnded(0, 0, 10 * WINDOW, arrival(10 * WINDOW), 200)]
    assert listener.endpointer.weigh(0, 0, words=1.0) == []


def test_words_of_a_revision_that_is_past_are_no_news() -> None:
    listener = Listener([V] * 10 + [S] * 4 + [V] * 10 + [S] * 20, words=None)
    listener.windows(36)
    assert listener.endpointer.weigh(0, 0, words=1.0) == []
    assert kinds(listener.endpointer.weigh(0, 1, words=1.0)) == ["TurnEnded"]


def test_the_tune_of_the_voice_counts_as_much_as_the_words() -> None:
    def wanted(sound: float) -> float:
        listener = Listener([V] * 10, words=None)
        listener.windows(12)
        assert listener.endpointer.weigh(0, 0, sound=sound) == []
        found = listener.endpointer.weigh(0, 0, words=0.9) or listener.windows(40)
        (ended,) = [event for event in found if isinstance(event, TurnEnded)]
        return ended.wanted_ms

    assert wanted(0.98) == 200
    assert 400 < wanted(0.02) < 600


def test_pauses_behind_unfinished_words_do_not_make_the_caller_wait_at_the_end() -> None:
    listener = Listener(([V] * 10 + [S] * 30) * 3, words=0.05)
    listener.all()
    assert listener.endpointer.snapshot().endpoint_delay_ms == 200


def test_a_turn_that_was_cut_off_by_a_long_pause_is_learnt_from_when_the_call_says_so() -> None:
    listener = Listener([V] * 20 + [S] * 32 + [V] * 10)  # 1 s: the reply has begun by then
    utterance = [event.utterance for event in listener.windows(60) if isinstance(event, SpeechStarted)][1]
    assert listener.endpointer.snapshot().endpoint_delay_ms == 200
    listener.endpointer.cut_off(utterance - 1)
    listener.endpointer.cut_off(utterance)
    assert listener.endpointer.snapshot().endpoint_delay_ms > 1000
    once = listener.endpointer.snapshot()
    listener.endpointer.cut_off(utterance)
    assert listener.endpointer.snapshot() == once


def test_silence_that_nobody_would_wait_through_teaches_nothing() -> None:
    listener = Listener([V] * 20 + [S] * 94 + [V] * 10)  # 3 s
    utterance = [event.utterance for event in listener.windows(124) if isinstance(event, SpeechStarted)][1]
    listener.endpointer.cut_off(utterance)
    assert listener.endpointer.snapshot().endpoint_delay_ms == 200


def test_a_restart_keeps_how_finished_the_words_were() -> None:
    first = Listener([V] * 10, words=1.0)
    first.windows(12)
    second = Listener([], first.endpointer.snapshot(), words=None)
    second.position = first.position
    assert kinds(second.frames(16)) == ["TurnEnded"]


def test_doubtful_windows_neither_begin_nor_end_a_voice() -> None:
    assert Listener([0.45] * 20).all() == []
    events = Listener([V] * 2 + [0.4] * 10).all()
    assert events[-1] == TurnEnded(0, 0, 12 * WINDOW, arrival(12 * WINDOW), 200)


def test_a_pause_shorter_than_the_delay_makes_a_new_revision_of_the_same_utterance() -> None:
    end = 24 * WINDOW
    assert Listener([V] * 10 + [S] * 4 + [V] * 10, interrupt_ms=10_000).all()[1:] == [
        LikelyEnd(0, 0, 10 * WINDOW),
        Resumed(0, 1),
        LikelyEnd(0, 1, end),
        TurnEnded(0, 1, end, arrival(end), 200),
    ]


def test_a_click_after_the_likely_end_does_not_throw_the_answer_away() -> None:
    assert kinds(Listener([V] * 10 + [S] * 2 + [V] + [S] * 9).all()) == ["SpeechStarted", "LikelyEnd", "TurnEnded"]


def test_a_voice_that_may_be_coming_back_holds_the_end_up() -> None:
    # 6 silent windows are 192 ms; the seventh would end the turn, but it and the eighth are voiced.
    events = kinds(Listener([V] * 10 + [S] * 6 + [V] * 2).all())
    assert events == ["SpeechStarted", "LikelyEnd", "Resumed", "LikelyEnd", "TurnEnded"]


@pytest.mark.parametrize(("silence_ms", "windows"), [(200, 7), (192, 6), (0, 1), (500, 16)])
def test_the_turn_ends_at_the_first_window_that_makes_the_silence_long_enough(silence_ms: int, windows: int) -> None:
    listener = Listener([V] * 10, silence_ms=silence_ms)
    assert "TurnEnded" not in kinds(listener.windows(9 + windows))
    assert "TurnEnded" in kinds(listener.windows(2))


def test_the_delay_learns_from_the_pauses_of_the_caller() -> None:
    listener = Listener(([V] * 10 + [S] * 6) * 3)
    listener.all()
    assert listener.endpointer.snapshot().endpoint_delay_ms > 210


def test_a_caller_who_was_cut_off_is_not_cut_off_again() -> None:
    talk = ([V] * 20 + [S] * 18) * 5  # pauses of 576 ms
    listener = Listener(talk)
    events = listener.windows(len(talk) - 18)
    assert kinds(events).count("TurnEnded") == 1
    assert kinds(events).count("Resumed") == 3


def test_speaking_again_after_the_answer_is_no_cut_off() -> None:
    listener = Listener(([V] * 20 + [S] * 40) * 5)  # 1.28 s between turns: 1.06 s after each end
    listener.all()
    assert listener.endpointer.snapshot().endpoint_delay_ms == 200


def test_whole_turns_bring_a_lengthened_delay_back() -> None:
    state = EndpointState(endpoint_delay_ms=900)
    listener = Listener(([V] * 20 + [S] * 60) * 8, state)
    listener.all()
    assert 200 < listener.endpointer.snapshot().endpoint_delay_ms < 500


def test_the_delay_never_exceeds_max_silence_ms() -> None:
    listener = Listener(([V] * 20 + [S] * 25) * 6, max_silence_ms=300)
    listener.all()
    assert listener.endpointer.snapshot().endpoint_delay_ms == pytest.approx(300, abs=20)


def test_25_seconds_without_a_pause_are_ended_by_force_and_lose_no_voice() -> None:
    events = Listener([V] * 900).all()
    first = next(event for event in events if isinstance(event, TurnEnded))
    assert first.end == pytest.approx(25 * 16_000, abs=WINDOW)
    second = [event for event in events if isinstance(event, SpeechStarted)][1]
    assert second.utterance == first.end
    assert kinds(events).count("TurnEnded") == 2
    assert events[-1] == dataclasses.replace(events[-1], end=900 * WINDOW)  # type: ignore[type-var]


def test_audio_that_is_missing_counts_as_silence() -> None:
    listener = Listener([V] * 10 + [S] * 50)
    listener.windows(10)
    listener.position += 16_000
    events = listener.frames(1)
    assert kinds(events) == ["LikelyEnd", "TurnEnded"]
    assert events[0] == LikelyEnd(0, 0, 10 * WINDOW)


def test_a_voice_after_a_gap_is_found_at_its_own_time() -> None:
    listener = Listener([V] * 10)
    listener.position = 0
    listener.endpointer.push(0, bytes(200), 0.0)
    listener.position = 160_000
    assert listener.all()[0] == SpeechStarted(160_000, arrival(160_001))


def test_audio_that_was_taken_before_is_not_taken_twice() -> None:
    script = [S] * 3 + [V] * 10
    listener = Listener(script)
    events: list[TurnEvent] = []
    for start in range(0, 40 * FRAME, FRAME):
        for again in (start, start - FRAME):  # each frame twice, late
            if again >= 0:
                events += listener.push(again, bytes(2 * FRAME), (start + FRAME) / 16_000 + LATENCY)
    assert events == Listener(script).all()


def test_long_frames_are_taken_window_by_window() -> None:
    script = [S] * 3 + [V] * 10
    endpointer = Endpointer(Turns(), vad=Script(script))
    events = endpointer.push(0, bytes(2 * WINDOW * 70), 1.5)
    assert kinds(events) == ["SpeechStarted", "LikelyEnd", "TurnEnded"]
    assert events[-1] == TurnEnded(3 * WINDOW, 0, 13 * WINDOW, 1.5, 1500)


def test_warming_emits_nothing_and_hears_one_second_at_most() -> None:
    listener = Listener([V] * 100)
    listener.endpointer.warm(bytes(2 * 5 * 16_000))
    assert len(listener.vad.left) == 100 - 31
    assert listener.vad.resets == 1
    assert listener.endpointer.snapshot() == EndpointState(endpoint_delay_ms=200)


def test_an_utterance_likely_over_at_a_restart_still_ends_where_it_did() -> None:
    state = EndpointState(utterance=320, rev=2, voiced_ms=600, end=9000, voiced_at=7.5, likely_over=True)
    listener = Listener([], state)
    listener.position = 20_160
    assert listener.all() == [TurnEnded(320, 2, 9000, 7.5, 1500)]


def test_an_utterance_open_at_a_restart_ends_in_silence_and_keeps_what_nobody_listened_to() -> None:
    state = EndpointState(utterance=320, rev=2, voiced_ms=600, end=9000, voiced_at=7.5)
    listener = Listener([], state)
    listener.position = 20_160
    assert listener.all() == [LikelyEnd(320, 2, 20_160), TurnEnded(320, 2, 20_160, arrival(20_161), 200)]


def test_an_utterance_open_at_a_restart_goes_on_with_the_voice() -> None:
    state = EndpointState(utterance=320, rev=0, voiced_ms=600, end=9000)
    listener = Listener([V] * 10, state)
    listener.position = 10_240
    end = 10_240 + 10 * WINDOW
    assert listener.all() == [LikelyEnd(320, 0, end), TurnEnded(320, 0, end, arrival(end), 200)]


class Grammar:
    """Fails on the first event that may not stand where it stands."""

    def __init__(self) -> None:
        self.open: int | None = None
        self.rev = 0
        self.end = 0
        self.likely: LikelyEnd | None = None
        self.sustained = False

    def take(self, event: TurnEvent) -> None:
        if isinstance(event, SpeechStarted):
            assert self.open is None
            assert event.utterance >= self.end
            self.open, self.rev, self.sustained = event.utterance, 0, False
            return
        assert event.utterance == self.open
        match event:
            case SpeechSustained():
                assert not self.sustained
                self.sustained = True
            case LikelyEnd():
                assert self.likely is None
                assert event.rev == self.rev
                assert event.end > max(self.end, event.utterance)
                self.likely, self.end = event, event.end
            case Resumed():
                assert self.likely is not None
                assert event.rev == self.rev + 1
                self.likely, self.rev = None, event.rev
            case TurnEnded():
                assert self.likely is not None
                assert (event.rev, event.end) == (self.rev, self.likely.end)
                self.open = self.likely = None


probabilities = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.4, 0.6, 0.95]), st.integers(1, 40)), max_size=25).map(
    lambda runs: [p for p, length in runs for _ in range(length)]
)


@settings(max_examples=150, deadline=None)
@given(probabilities, st.integers(0, 150), st.integers(0, 600))
def test_whatever_is_heard_events_come_in_their_order_and_every_turn_ends(
    script: list[float], start_ms: int, silence_ms: int
) -> None:
    grammar = Grammar()
    for event in Listener(script, start_ms=start_ms, silence_ms=silence_ms).all():
        grammar.take(event)
    assert grammar.open is None


@settings(max_examples=150, deadline=None)
@given(probabilities, st.data())
def test_a_restart_at_any_frame_keeps_the_order(script: list[float], data: st.DataObject) -> None:
    grammar = Grammar()
    first = Listener(script)
    crash = data.draw(st.integers(0, len(script) * WINDOW // FRAME))
    for event in first.frames(crash):
        grammar.take(event)
    second = Listener(first.vad.left, first.endpointer.snapshot())
    second.position = first.position + FRAME * data.draw(st.integers(0, 50))
    for event in second.all():
        grammar.take(event)
    assert grammar.open is None


@settings(max_examples=60, deadline=None)
@given(probabilities, st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_how_the_audio_is_cut_into_frames_changes_nothing(script: list[float], sizes: list[int]) -> None:
    listener = Listener(script)
    whole = listener.all()
    endpointer, position, events = Endpointer(Turns(), vad=Script(script)), 0, list[TurnEvent]()
    for wanted in itertools.cycle(sizes):
        size = min(wanted, listener.position - position)
        if not size:
            break
        events += told(endpointer, endpointer.push(position, bytes(2 * size), 0.0))
        position += size
    assert [timeless(event) for event in events] == [timeless(event) for event in whole]


def timeless(event: TurnEvent) -> TurnEvent:
    """The event without its clock times, which do depend on the frames."""
    if isinstance(event, SpeechStarted):
        return dataclasses.replace(event, at=0.0)
    return dataclasses.replace(event, voiced_at=0.0, wanted_ms=0.0) if isinstance(event, TurnEnded) else event
