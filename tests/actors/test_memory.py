"""What outlives a stage is complete, bounded, and read by media time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.actors.memory import AudioRing, Delivery, Fence
from openclaw_actors.messages import FRAME, SAMPLE_RATE, AudioIn, Say


def frame(number):
    return AudioIn(number * FRAME, number.to_bytes(2, "little") * FRAME, 0.0)


def ring_of(frames, keep_from=None):
    ring = AudioRing()
    ring.keep_from = keep_from
    for number in range(frames):
        ring.write(frame(number))
    return ring


@given(st.integers(0, 60 * FRAME), st.integers(0, 60 * FRAME))
def test_any_stretch_is_read_to_the_sample(first, last):
    ring = ring_of(60)
    whole = b"".join(frame(number).pcm for number in range(60))
    assert ring.read(first, last) == whole[2 * first : 2 * last]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(0, 60 * FRAME), st.integers(0, 60 * FRAME))
def test_a_stretch_of_what_came_several_frames_at_a_time_is_the_same(sizes, first, last):
    ring, whole = AudioRing(), b""
    for size in sizes:
        pcm = b"".join(frame(number).pcm for number in range(len(whole) // 2 // FRAME, len(whole) // 2 // FRAME + size))
        ring.write(AudioIn(len(whole) // 2, pcm, 0.0))
        whole += pcm
    assert ring.end == len(whole) // 2
    assert ring.read(first, last) == whole[2 * first : 2 * last]


def test_reading_beyond_the_newest_sample_gives_what_there_is():
    ring = ring_of(3)
    assert len(ring.read(FRAME, 10 * FRAME)) == 2 * FRAME * 2


def test_a_silent_caller_costs_two_seconds():
    assert len(ring_of(1000)) == 2 * SAMPLE_RATE / FRAME


def test_an_open_utterance_is_kept_whole_up_to_thirty_seconds():
    ring = ring_of(20 * 50, keep_from=5 * SAMPLE_RATE)
    assert len(ring.read(5 * SAMPLE_RATE)) == 15 * SAMPLE_RATE * 2
    assert len(ring_of(40 * 50, keep_from=0)) == 30 * 50


def test_an_answered_utterance_is_let_go():
    ring = ring_of(20 * 50, keep_from=0)
    ring.keep_from = None
    ring.write(frame(20 * 50))
    assert len(ring) == 2 * 50


def test_the_fence_makes_older_turns_stale_only():
    fence = Fence()
    fence.turn = 3
    assert [fence.stale(turn) for turn in (2, 3, 4)] == [True, False, False]


def test_a_new_voice_finds_what_is_unsaid_and_how_far_it_was_said():
    delivery = Delivery()
    first, second = Say(1, 0, "one", last=False), Say(1, 1, "two", last=True)
    delivery.offer(first)
    delivery.offer(second)
    delivery.handed_on(first, 0.5)
    delivery.done(first)
    delivery.handed_on(second, 0.2)
    delivery.handed_on(second, 0.1)
    assert delivery.unsaid == {1: second}
    assert delivery.seconds == {1: 0.30000000000000004}
    assert delivery.complete


def test_a_newer_turn_ends_the_one_in_delivery():
    delivery = Delivery()
    old = Say(1, 0, "old", last=True)
    delivery.offer(old)
    delivery.offer(Say(2, 0, "new", last=False))
    delivery.handed_on(old, 1.0)
    assert list(delivery.unsaid.values()) == [Say(2, 0, "new", last=False)]
    assert delivery.seconds == {}
    assert not delivery.complete
