from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.trim import LeadingTrim, TrailingTrim

RATE = 8_000
MS = RATE // 1000


def silence(ms: int) -> bytes:
    return bytes(2 * MS * ms)


def voice(ms: int, amplitude: int = 8_000) -> bytes:
    t = np.arange(MS * ms) / RATE
    return (amplitude * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes()


def milliseconds(pcm: bytes) -> float:
    return len(pcm) / 2 / MS


def in_pieces(pcm: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(pcm[at : at + 2 * size])
        at += 2 * size
    return [*pieces, pcm[at:]]


def trimmed(trim: LeadingTrim | TrailingTrim, pieces: list[bytes]) -> bytes:
    return b"".join(trim.push(piece) for piece in pieces) + trim.flush()


# A stream is a row of silences and sounds, in ms; loudness varies around the threshold's neighbourhood and above.
streams = st.lists(
    st.one_of(
        st.integers(0, 400).map(silence),
        st.tuples(st.integers(1, 200), st.sampled_from([40, 300, 8_000])).map(lambda p: voice(*p)),
    ),
    max_size=6,
).map(b"".join)
cuts = st.lists(st.integers(0, 700), max_size=12)


def test_the_caller_does_not_wait_through_the_silence_that_a_voice_begins_with():
    out = trimmed(LeadingTrim(RATE), [silence(185) + voice(300)])

    assert 300 <= milliseconds(out) <= 320  # 10 ms before the onset, and its block
    assert out.endswith(voice(300))


def test_the_first_sound_comes_out_with_the_piece_that_holds_it():
    trim = LeadingTrim(RATE)

    assert trim.push(silence(100)) == b""
    assert milliseconds(trim.push(voice(50))) >= 50


def test_a_soft_start_before_the_onset_is_kept():
    soft = voice(10, amplitude=60)

    assert trimmed(LeadingTrim(RATE), [silence(90) + soft + voice(100)]) == soft + voice(100)


def test_endless_silence_is_let_through_after_a_second():
    trim = LeadingTrim(RATE)
    out = b"".join(trim.push(silence(20)) for _ in range(100))

    assert milliseconds(out) == 1010


def test_a_phrase_of_nothing_but_silence_has_no_sound():
    assert trimmed(LeadingTrim(RATE), [silence(500)]) == b""


def test_the_pause_after_a_sentence_is_a_breath():
    out = trimmed(TrailingTrim(RATE), [voice(300) + silence(875)])

    assert milliseconds(out) == 400
    assert out.startswith(voice(300))


def test_a_pause_within_a_phrase_is_kept_whole():
    pcm = voice(100) + silence(700) + voice(100)

    assert trimmed(TrailingTrim(RATE), [pcm]) == pcm


def test_a_voice_is_not_held_back():
    trim = TrailingTrim(RATE)

    assert trim.push(voice(60)) == voice(60)
    assert milliseconds(trim.push(silence(100))) == 100
    assert trim.push(silence(200)) == b""
    assert milliseconds(trim.push(voice(10))) == 210


def test_what_is_held_back_is_bounded():
    trim = TrailingTrim(RATE)
    trim.push(voice(10))

    assert milliseconds(trim.push(silence(10_000))) == 10_000 - 2_000


@settings(max_examples=60, deadline=None)
@given(streams, cuts)
def test_pieces_make_no_difference(pcm: bytes, sizes: list[int]):
    for make in (LeadingTrim, TrailingTrim):
        assert trimmed(make(RATE), in_pieces(pcm, sizes)) == trimmed(make(RATE), [pcm])


@settings(max_examples=60, deadline=None)
@given(streams, cuts)
def test_only_silence_at_the_ends_is_ever_taken(pcm: bytes, sizes: list[int]):
    without_lead = trimmed(LeadingTrim(RATE), in_pieces(pcm, sizes))
    without_tail = trimmed(TrailingTrim(RATE), in_pieces(pcm, sizes))

    assert pcm.endswith(without_lead)
    assert pcm.startswith(without_tail)
    taken = pcm[: len(pcm) - len(without_lead)] + pcm[len(without_tail) :]
    assert not taken or np.abs(np.frombuffer(taken, "<i2").astype(int)).max() < 400
