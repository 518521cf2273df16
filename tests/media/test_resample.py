"""Streaming resampling."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.resample import Resampler

RATES = [(48_000, 16_000), (24_000, 48_000), (16_000, 8_000), (8_000, 16_000), (22_050, 24_000), (24_000, 8_000)]


def tone(rate: int, seconds: float = 1.0, hz: float = 440) -> bytes:
    return np.rint(10_000 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.int16).tobytes()


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_tone_keeps_its_pitch_loudness_and_length(source, target):
    resampler = Resampler(source, target)
    out = np.frombuffer(resampler.push(tone(source)) + resampler.flush(), np.int16).astype(np.float64)
    assert len(out) == pytest.approx(target, abs=target // 500)
    assert np.argmax(np.abs(np.fft.rfft(out[:target]))) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(10_000 / 2**0.5, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_in_pieces_it_comes_out_as_in_one_piece(cuts):
    pcm = tone(48_000, 0.2)
    whole = Resampler(48_000, 16_000)
    expected = whole.push(pcm) + whole.flush()
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(pcm[at : at + 2 * cut])
        at += 2 * cut
    resampler = Resampler(48_000, 16_000)
    out = b"".join(resampler.push(piece) for piece in [*pieces, pcm[at:]]) + resampler.flush()
    assert out == expected


@pytest.mark.parametrize(("source", "target"), RATES)
def test_primed_each_20_ms_gives_20_ms_at_once(source, target):
    resampler = Resampler(source, target, primed=True)
    assert {len(resampler.push(bytes(2 * (source // 50)))) for _ in range(20)} == {2 * (target // 50)}


def test_equal_rates_pass_unchanged():
    assert Resampler(16_000, 16_000).push(tone(16_000)) == tone(16_000)


def test_stereo_of_a_decoder_becomes_mono():
    left = np.frombuffer(tone(48_000, 0.02), np.int16)
    frame = av.AudioFrame.from_ndarray(np.stack((left, left), 1).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate = 48_000
    frame.time_base = Fraction(1, 48_000)
    out = np.frombuffer(Resampler(48_000, 16_000).push_frame(frame), np.int16)
    assert np.abs(out[50:]).max() == pytest.approx(10_000, rel=0.03)


def test_nothing_in_nothing_out():
    resampler = Resampler(48_000, 16_000)
    assert resampler.push(b"") == b""
    assert resampler.flush() == b""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
def test_a_stream_starts_no_threads():
    before = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - no paths are wanted
    streams = [Resampler(48_000, 16_000, primed=True) for _ in range(8)]
    for stream in streams:
        stream.push(tone(48_000, 0.02))
    assert len(os.listdir("/proc/self/task")) == before  # noqa: PTH208 - as above


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_nothing_is_held_back_but_the_filters_delay(rates, sizes):
    source, target = rates
    resampler = Resampler(source, target)
    given_samples = got_samples = 0
    for size in sizes:
        given_samples += size
        got_samples += len(resampler.push(bytes(2 * size))) // 2
        # A piece may end between two samples of either rate: in sound, as it comes, the click below is what counts.
        assert given_samples / source - got_samples / target <= 0.004 + 1 / source + 1 / target


@pytest.mark.parametrize(("source", "target"), RATES)
def test_sound_is_less_than_3_ms_late(source, target):
    """A click goes in in pieces of 20 ms, as a phone's sound does, and its middle is looked for in what comes out."""
    resampler = Resampler(source, target, primed=True)
    at = source // 10
    pcm = np.zeros(source // 5, np.int16)
    pcm[at - source // 1000 : at + source // 1000] = 10_000
    step = source // 50
    pieces = [pcm[start : start + step].tobytes() for start in range(0, len(pcm), step)]
    out = np.frombuffer(b"".join(resampler.push(piece) for piece in pieces), np.int16).astype(np.float64)
    middle = np.sum(np.arange(len(out)) * out**2) / np.sum(out**2)
    assert 0 <= middle / target - at / source < 0.003
