"""A far end that buffers what it is sent: what counts as spoken, and what a pause takes back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_encode import NewEncode

from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import Speech, Spoken, VoiceStarted

PCM = bytes(320)


class Far:
    """A carrier's buffer: what was sent and is not played, and how often it was thrown away."""

    def __init__(self, playout: Playout) -> None:
        self.playout = playout
        self.buffer: list[bytes] = []
        self.heard: list[bytes] = []
        self.clears = 0
        self.told = 0

    def clear(self) -> None:
        self.clears += 1
        self.buffer.clear()

    def more(self) -> None:
        self.told += 1

    def fill(self, packets: int) -> list[bytes]:
        sent = []
        while len(sent) < packets and (packet := self.playout.send_packet()) is not None:
            sent.append(packet)
        self.buffer += sent
        return sent

    def play(self, packets: int) -> None:
        played, self.buffer = self.buffer[:packets], self.buffer[packets:]
        self.heard += played
        self.playout.heard(len(played))


def speech(turn, index, packets, *, text="hello there", ends=True, last=False):
    return Speech(turn, index, text, tuple(packets), PCM * len(packets), ends, last)


@pytest.fixture
def far():
    playout = Playout(PCMU, lambda: None, clock=lambda: 7.0)
    far = Far(playout)
    playout.send_ahead(far)
    return far


def test_what_was_sent_is_spoken_only_when_it_was_heard(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c"], last=True))
    assert far.fill(20) == [b"a", b"b", b"c"]
    assert far.playout.take() == [VoiceStarted(1, 7.0)]
    far.play(2)
    assert far.playout.take() == []
    far.play(1)
    assert far.playout.take() == [Spoken(1, 0, "hello there", ends_turn=True)]


def test_silence_is_not_sent(far):
    assert far.fill(3) == []
    far.playout.add(speech(1, 0, [b"a"]))
    assert far.fill(3) == [], "its turn is not released"


def test_the_far_end_is_told_of_all_that_may_give_it_something_to_play(far):
    for act in (
        lambda: far.playout.add(speech(1, 0, [b"a"], ends=False)),
        lambda: far.playout.release(1),
        lambda: far.playout.resume(far.playout.pause()),
        lambda: far.playout.play_clip((b"x",)),
        lambda: far.playout.hold((b"m",)),
        far.playout.unhold,
        lambda: far.playout.cut(2),
    ):
        before = far.told
        act()
        assert far.told > before


def test_a_pause_takes_back_what_was_not_heard_and_goes_on_there(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c", b"d"], last=True))
    far.fill(3)
    far.play(1)
    pause = far.playout.pause()
    assert (far.clears, far.fill(9)) == (1, [])
    far.playout.renew(1, NewEncode(PCMU, "BCD"))
    far.playout.resume(pause)
    assert far.fill(9) == [b"B", b"C", b"D"]
    far.play(3)
    assert far.playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=True)


def test_a_pause_when_all_was_heard_throws_nothing_away(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b"], ends=False))
    far.fill(9)
    far.play(2)
    far.playout.pause()
    assert far.clears == 0


def test_a_cut_tells_what_was_heard_not_what_was_sent(far):
    far.playout.release(1)
    words = "one two three four five six seven eight nine ten"
    far.playout.add(speech(1, 0, [b"%d" % n for n in range(10)], text=words))
    far.fill(8)
    far.play(4)
    far.playout.take()
    far.playout.cut(2)
    assert far.clears == 1
    assert far.playout.take() == [Spoken(1, 0, "one two three four", ends_turn=True, cut=True)]


def test_what_was_sent_and_never_heard_was_not_spoken(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b"]))
    far.fill(2)
    far.playout.cut(2)
    assert [move for move in far.playout.take() if isinstance(move, Spoken)] == []


def test_phrases_follow_each_other_without_a_gap_and_each_is_told_when_it_was_heard(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a"]))
    far.playout.add(speech(1, 1, [b"b"], text="again"))
    far.playout.add(speech(1, 2, [], text="", last=True))
    assert far.fill(9) == [b"a", b"b"]
    far.play(1)
    assert far.playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=False)
    far.play(1)
    assert far.playout.take() == [Spoken(1, 1, "again", ends_turn=False), Spoken(1, 2, "", ends_turn=True)]


def test_the_end_of_a_phrase_that_comes_when_all_of_it_was_heard_is_told_at_once(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a"], ends=False))
    far.fill(9)
    far.play(1)
    far.playout.add(speech(1, 0, [], last=True))
    assert far.playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=True)


def test_a_hold_throws_the_voice_away_and_its_end_the_music(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c"], last=True))
    far.fill(2)
    far.play(1)
    far.playout.hold((b"m", b"n"))
    assert far.clears == 1
    assert far.fill(3) == [b"m", b"n", b"m"]
    far.play(1)
    assert far.playout.unhold() == 1
    assert (far.clears, far.buffer) == (2, [])
    far.playout.resume(far.playout.pause_number)
    assert far.fill(9) == [b"b", b"c"]


def test_a_clip_is_heard_whole_whatever_is_paused_meanwhile(far):
    far.playout.play_clip((b"x", b"y", b"z"))
    far.fill(2)
    assert far.playout.clip_seconds == pytest.approx(0.06)
    far.play(1)
    far.playout.pause()
    assert far.fill(9) == [b"y", b"z"]
    assert far.playout.clip_seconds == pytest.approx(0.04)


def test_another_voice_begins_the_sentence_anew_and_the_old_one_stops(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c"], ends=False))
    far.fill(2)
    far.play(1)
    far.playout.drop_rest(1, 0)
    assert far.clears == 1
    far.playout.add(speech(1, 0, [b"A", b"B"], last=True))
    assert far.fill(9) == [b"A", b"B"]
    far.play(2)
    assert far.playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=True)


def test_a_peer_that_plays_in_real_time_takes_over_what_the_far_end_had_not_played(far):
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c"], last=True))
    far.fill(3)
    far.play(1)
    assert [far.playout.next_packet() for _ in range(2)] == [b"b", b"c"]
    assert far.playout.take()[-1] == Spoken(1, 0, "hello there", ends_turn=True)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("fill"), st.integers(1, 20)),
            st.tuples(st.just("play"), st.integers(1, 12)),
            st.tuples(st.just("pause"), st.booleans()),
            st.tuples(st.just("turn"), st.integers(1, 3)),
            st.tuples(st.just("cut"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_no_interleaving_loses_repeats_or_reorders_a_packet_that_is_heard(steps):
    playout = Playout(PCMU, lambda: None)
    far = Far(playout)
    playout.send_ahead(far)
    turn, cut, spoken = 0, set(), []
    for kind, value in steps:
        if kind == "turn":
            if turn:
                cut.add(turn)
                playout.cut(turn + 1)
            turn += 1
            playout.release(turn)
            for index in range(value):
                packets = [f"{turn}.{index}.{n}".encode() for n in range(7)]
                playout.add(speech(turn, index, packets, last=index == value - 1))
        elif kind == "cut" and turn:
            cut.add(turn)
            playout.cut(turn + 1)
        elif kind == "pause":
            if value:
                playout.pause()
            else:
                playout.resume(playout.pause_number)
        elif kind == "fill":
            assert all(int(packet.split(b".")[0]) not in cut for packet in far.fill(value))
        elif kind == "play":
            far.play(value)
        spoken += [move for move in playout.take() if isinstance(move, Spoken) and not move.cut]
    order = [[int(part) for part in packet.split(b".")] for packet in far.heard]
    assert order == sorted(order)
    assert len(set(far.heard)) == len(far.heard)
    for move in spoken:
        heard = [packet for packet in far.heard if packet.startswith(f"{move.turn}.{move.index}.".encode())]
        assert len(heard) == 7, "what is told as spoken was heard whole"


def test_who_taps_the_call_hears_what_was_played_and_not_what_was_sent(far):
    tapped = []
    tap = SimpleNamespace(played=lambda packets, codec: tapped.append((packets, codec.name)))
    far.playout.taps.add(tap)
    far.playout.release(1)
    far.playout.add(speech(1, 0, [b"a", b"b", b"c"]))
    far.fill(3)
    assert tapped == []
    far.play(2)
    far.playout.taps.remove(tap)
    far.play(1)
    assert tapped == [((b"a", b"b"), "pcmu")]
