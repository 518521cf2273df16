"""What the caller hears, packet by packet, and what is reported as spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_encode import NewEncode

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import Speech, Spoken, VoiceStarted
from openclaw_actors.observability import metrics

SILENCE = OPUS.silence
PCM = bytes(960)


def speech(turn, index, packets, *, text="hello there", ends=True, last=False):
    return Speech(turn, index, text, tuple(packets), PCM * len(packets), ends, last)


@pytest.fixture
def playout():
    return Playout(OPUS, lambda: None, clock=lambda: 7.0)


def play(playout, count):
    return [playout.next_packet() for _ in range(count)]


def heard(playout, count):
    return [packet for packet in play(playout, count) if packet != SILENCE]


def test_nothing_to_say_is_silence(playout):
    assert play(playout, 3) == [SILENCE] * 3


def test_speech_of_an_unreleased_turn_waits(playout):
    playout.add(speech(1, 0, [b"a", b"b"]))
    assert play(playout, 2) == [SILENCE] * 2
    playout.release(1)
    assert play(playout, 2) == [b"a", b"b"]


def test_release_may_come_before_the_speech(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"]))
    assert play(playout, 1) == [b"a"]


def test_the_first_packet_starts_the_voice_and_the_last_ends_the_phrase(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"], last=True))
    play(playout, 1)
    assert playout.take() == [VoiceStarted(1, 7.0)]
    play(playout, 1)
    assert playout.take() == [Spoken(1, 0, "hello there", ends_turn=True)]


def test_a_cut_is_heard_at_the_next_packet_and_tells_what_was_spoken(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"%d" % n for n in range(10)], text="one two three four five six seven eight nine ten"))
    play(playout, 5)
    playout.take()
    playout.cut(2)
    assert play(playout, 3) == [SILENCE] * 3
    assert playout.take() == [Spoken(1, 0, "one two three four five", ends_turn=True, cut=True)]


def test_a_turn_cut_before_its_voice_was_not_spoken(playout):
    playout.add(speech(1, 0, [b"a"]))
    playout.cut(2)
    assert playout.take() == []


def test_speech_of_a_cut_turn_that_comes_late_is_dropped(playout):
    playout.release(1)
    playout.cut(2)
    playout.add(speech(1, 0, [b"a"]))
    assert play(playout, 2) == [SILENCE] * 2


def test_a_pause_loses_nothing(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b", b"c"]))
    play(playout, 1)
    pause = playout.pause()
    assert play(playout, 4) == [SILENCE] * 4
    playout.resume(pause)
    assert play(playout, 2) == [b"b", b"c"]


def test_a_late_end_of_an_earlier_pause_ends_nothing(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"]))
    first = playout.pause()
    playout.resume(first)
    second = playout.pause()
    playout.resume(first)
    assert play(playout, 1) == [SILENCE]
    playout.resume(second)
    assert play(playout, 1) == [b"a"]


def test_the_rest_of_a_paused_phrase_is_played_in_its_new_encode_after_one_silent_packet(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b", b"c"]))
    play(playout, 1)
    pause = playout.pause()
    playout.renew(1, NewEncode(OPUS, "BC"))
    playout.resume(pause)
    assert play(playout, 3) == [SILENCE, b"B", b"C"]
    assert playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=False)


def test_what_arrives_after_a_pause_is_of_the_new_encode_too_and_the_next_phrase_is_not(playout):
    """The old encoder would first have to make all that was left out, in the tick of the clock of all calls."""
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"], ends=False))
    play(playout, 1)
    pause = playout.pause()
    playout.renew(1, NewEncode(OPUS, "BCD"))
    playout.resume(pause)
    playout.add(speech(1, 0, [b"c"], ends=False))
    playout.add(speech(1, 0, [b"d"]))
    playout.add(speech(1, 1, [b"e"], last=True))
    assert heard(playout, 6) == [b"B", b"C", b"D", b"e"]


def test_a_phrase_of_which_all_that_came_was_heard_goes_on_in_a_new_encode_too(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"], ends=False))
    play(playout, 1)
    pause = playout.pause()
    playout.renew(1, NewEncode(OPUS, "B"))
    playout.resume(pause)
    playout.add(speech(1, 0, [b"b"]))
    assert play(playout, 2) == [SILENCE, b"B"]


def test_a_turn_that_is_over_is_not_encoded_anew(playout):
    playout.release(2)
    playout.add(speech(2, 0, [b"a", b"b"]))
    play(playout, 1)
    pause = playout.pause()
    playout.renew(1, NewEncode(OPUS, ""))
    playout.resume(pause)
    assert play(playout, 1) == [b"b"]


def test_one_silent_packet_parts_two_phrases(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"]))
    playout.add(speech(1, 1, [b"b"], last=True))
    assert play(playout, 3) == [b"a", SILENCE, b"b"]


def test_an_empty_closing_phrase_ends_the_turn(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"]))
    playout.add(speech(1, 1, [], text="", last=True))
    play(playout, 3)
    assert playout.take()[-1] == Spoken(1, 1, "", ends_turn=True)


def test_an_empty_turn_ends_without_a_packet(playout):
    playout.release(1)
    playout.add(speech(1, 0, [], text="", last=True))
    assert playout.take() == [Spoken(1, 0, "", ends_turn=True)]


def test_a_voice_that_runs_dry_is_silent_until_more_comes(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"], ends=False))
    assert play(playout, 3) == [b"a", SILENCE, SILENCE]
    playout.add(speech(1, 0, [b"b"]))
    assert play(playout, 1) == [b"b"]


def test_a_clip_goes_before_everything(playout):
    playout.pause()
    playout.play_clip((b"x", b"y"))
    assert playout.clip_seconds == pytest.approx(0.04)
    assert play(playout, 3) == [b"x", b"y", SILENCE]


def test_another_voice_begins_the_sentence_anew(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b", b"c"], ends=False))
    play(playout, 1)
    playout.drop_rest(1, 0)
    playout.add(speech(1, 0, [b"A", b"B"]))
    assert heard(playout, 4) == [b"A", b"B"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("play"), st.integers(1, 8)),
            st.tuples(st.just("pause"), st.booleans()),
            st.tuples(st.just("cut"), st.just(0)),
            st.tuples(st.just("turn"), st.integers(1, 3)),
        ),
        max_size=40,
    )
)
def test_no_interleaving_plays_a_cut_turn_or_loses_a_packet_of_an_uncut_one(steps):
    playout = Playout(OPUS, lambda: None)
    turn, fence, played, cut = 0, 0, [], set()
    for kind, value in steps:
        if kind == "turn":
            if turn and turn not in cut:
                cut.add(turn)
                playout.cut(turn + 1)
            turn += 1
            playout.release(turn)
            for index in range(value):
                packets = [f"{turn}.{index}.{n}".encode() for n in range(5)]
                playout.add(speech(turn, index, packets, last=index == value - 1))
        elif kind == "cut" and turn:
            cut.add(turn)
            fence = turn + 1
            playout.cut(fence)
        elif kind == "pause":
            if value:
                playout.pause()
            else:
                playout.resume(playout.pause_number)
        elif kind == "play":
            for packet in play(playout, value):
                if packet != SILENCE:
                    number = int(packet.split(b".")[0])
                    assert number == turn
                    assert number not in cut
                    played.append(packet)
    assert played == sorted(set(played), key=lambda packet: [int(part) for part in packet.split(b".")])


# --- hold -----------------------------------------------------------------------------------------


def test_on_hold_the_loop_goes_round_and_what_is_queued_waits(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"], last=True))
    playout.hold((b"x", b"y"))
    assert play(playout, 5) == [b"x", b"y", b"x", b"y", b"x"]
    assert playout.take() == []
    assert playout.unhold() == 0
    assert heard(playout, 4) == [b"a", b"b"]
    assert playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=True)


def test_a_phrase_that_a_hold_broke_off_waits_for_its_new_encode(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b", b"c"], last=True))
    assert play(playout, 1) == [b"a"]
    playout.hold((b"x",))
    assert play(playout, 2) == [b"x", b"x"]
    assert playout.unhold() == 1
    assert play(playout, 2) == [SILENCE] * 2
    playout.renew(1, NewEncode(OPUS, "BC"))
    playout.resume(playout.pause_number)
    assert heard(playout, 4) == [b"B", b"C"]


def test_a_voice_that_the_caller_paused_stays_paused_after_a_hold(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"]))
    play(playout, 1)
    playout.pause()
    playout.hold((b"x",))
    assert playout.unhold() == 0
    assert play(playout, 2) == [SILENCE] * 2


def test_a_hold_without_music_is_silence_and_the_end_of_none_changes_nothing(playout):
    assert playout.unhold() == 0
    playout.hold(())
    assert play(playout, 2) == [SILENCE] * 2


def test_the_end_of_a_turn_that_arrives_on_hold_is_told_after_it(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a"], ends=False))
    play(playout, 1)
    playout.hold((b"x",))
    playout.add(speech(1, 0, [], last=True))
    play(playout, 2)
    assert playout.take() == [VoiceStarted(1, 7.0)]
    playout.unhold()
    play(playout, 2)
    assert playout.take() == [Spoken(1, 0, "hello there", ends_turn=True)]


def test_the_apology_is_heard_on_hold_too(playout):
    playout.hold((b"x",))
    playout.play_clip((b"sorry",))
    assert play(playout, 2) == [b"sorry", b"x"]


def test_a_cut_on_hold_ends_what_was_begun(playout):
    playout.release(1)
    playout.add(speech(1, 0, [b"a", b"b"]))
    play(playout, 1)
    playout.hold((b"x",))
    playout.cut(2)
    assert playout.take()[-1].cut
    assert playout.unhold() == 0
    assert play(playout, 3) == [SILENCE] * 3


def gaps():
    return metrics.REGISTRY.get_sample_value("openclaw_actors_playout_gaps_total")


def test_a_voice_slower_than_speech_is_counted_once_a_gap(playout):
    before = gaps()
    playout.release(1)
    playout.add(speech(1, 0, [b"a"], ends=False))
    play(playout, 4)
    assert gaps() - before == 1
    playout.add(speech(1, 0, [b"b"], ends=False))
    play(playout, 3)
    assert gaps() - before == 2


def test_neither_a_pause_nor_the_time_between_phrases_is_a_gap(playout):
    before = gaps()
    playout.release(1)
    play(playout, 2)
    playout.add(speech(1, 0, [b"a", b"b"]))
    play(playout, 5)
    playout.add(speech(1, 1, [b"c"], ends=False))
    play(playout, 2)
    playout.pause()
    play(playout, 5)
    assert gaps() == before
