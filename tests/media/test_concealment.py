"""What is heard in place of a lost packet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.concealment import Concealer

RATE = 16_000
FADE = 960


def tone(hz: float, count: int, at: int = 0, level: float = 10_000) -> np.ndarray:
    return np.rint(level * np.sin(2 * np.pi * hz * (at + np.arange(count)) / RATE)).astype(np.int16)


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("hz", [80, 100, 160, 220, 320, 400])
def test_a_voiced_sound_goes_on_in_its_own_pitch(hz):
    concealer = Concealer()
    concealer.heard(tone(hz, 3200))
    missing = concealer.conceal(320)
    truth = tone(hz, 320, at=3200) * np.clip(1 - np.arange(320) / FADE, 0, 1)
    assert loudness(missing - truth) < 0.12 * loudness(truth), "a period is a whole number of samples: no exact match"


def test_it_fades_to_silence_within_60_ms():
    concealer = Concealer()
    concealer.heard(tone(200, 3200))
    loud = [loudness(concealer.conceal(320)) for _ in range(5)]
    assert loud[0] > loud[1] > loud[2] > 0
    assert loud[3:] == [0, 0]


def test_nothing_was_heard_so_nothing_is_made_up():
    assert not Concealer().conceal(640).any()


def test_after_a_hole_the_voice_returns_without_a_click():
    concealer = Concealer()
    concealer.heard(tone(200, 3200))
    filled = concealer.conceal(800)
    returned = concealer.heard(tone(200, 640, at=4007))  # out of phase with what was made up
    joint = np.concatenate((filled, returned)).astype(np.int32)
    steps = np.abs(np.diff(joint))
    assert steps[790:870].max() <= 1.5 * np.abs(np.diff(tone(200, 800).astype(np.int32))).max()
    assert (returned[64:] == tone(200, 640, at=4007)[64:]).all(), "after 4 ms it is the sound itself"


def test_sound_without_holes_passes_unchanged():
    concealer = Concealer()
    sound = tone(300, 3200)
    pieces = [concealer.heard(sound[i : i + 320]) for i in range(0, 3200, 320)]
    assert (np.concatenate(pieces) == sound).all()


def test_a_second_hole_starts_from_what_was_heard_in_between():
    concealer = Concealer()
    concealer.heard(tone(100, 3200))
    concealer.conceal(960)
    concealer.heard(tone(400, 3200, level=4000))
    assert loudness(concealer.conceal(320)) == pytest.approx(4000 / 2**0.5 * 0.83, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=12), st.integers(0, 2**32 - 1))
def test_any_mixture_gives_as_many_samples_as_asked_and_never_louder_than_what_was_heard(steps, seed):
    rng = np.random.default_rng(seed)
    concealer = Concealer()
    loudest = 0
    for is_hole, count in steps:
        if is_hole:
            made = concealer.conceal(count)
            assert len(made) == count
            assert np.abs(made.astype(np.int32)).max(initial=0) <= loudest
        else:
            sound = rng.integers(-32_768, 32_767, count, np.int16)
            loudest = max(loudest, int(np.abs(sound.astype(np.int32)).max(initial=0)))
            assert len(concealer.heard(sound)) == count
