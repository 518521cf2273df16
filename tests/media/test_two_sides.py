"""Two sides on one time line: late packets move nothing, holes and slow crystals are put right, masks are silent."""

from __future__ import annotations

import numpy as np
import pytest

from openclaw_actors.media.sound_file import RATE
from openclaw_actors.media.two_sides import Side, TwoSides

FRAME = RATE // 50
SECOND = 50


def ramp(number: int) -> bytes:
    """A frame whose samples tell which it is."""
    return np.full(FRAME, number % 30_000 + 1, "<i2").tobytes()


def feed(side: Side, count: int, *, first: int = 0, late=lambda number: 0, drift: float = 0.0) -> None:
    """Frames that belong one behind the other, each as late as ``late`` says."""
    for number in range(first, first + count):
        side.frame(ramp(number), round(number * FRAME * (1 + drift)) + late(number))


def starts(sound: bytes) -> dict[int, int]:
    """Where the sound of each frame begins."""
    samples = np.frombuffer(sound, "<i2")
    found: dict[int, int] = {}
    for place in np.flatnonzero(np.diff(samples, prepend=0)):
        if samples[place]:
            found.setdefault(int(samples[place]) - 1, int(place))
    return found


def test_late_packets_move_nothing():
    side = Side()
    feed(side, 4 * SECOND, late=lambda number: (number * 7919) % 1600)
    places = starts(side.take(4 * SECOND * FRAME))
    first = min(places.values())
    assert [places[number] - first for number in sorted(places)] == [number * FRAME for number in range(len(places))]
    assert first <= (7919 * 19) % 1600, "it is placed by the earliest of the first half second"


def test_a_hole_is_a_hole_where_it_was():
    side = Side()
    feed(side, 2 * SECOND)
    feed(side, 2 * SECOND, first=2 * SECOND, late=lambda _: 3_000)
    places = starts(side.take(4 * SECOND * FRAME))
    assert places[99] == 99 * FRAME
    assert places[100] == 100 * FRAME + 3_000
    assert places[180] == 180 * FRAME + 3_000


def test_a_hole_in_the_first_half_second_is_where_it_was():
    side = Side()
    feed(side, 10)
    feed(side, 2 * SECOND, first=10, late=lambda _: 3_000)
    places = starts(side.take(2 * SECOND * FRAME))
    assert places[9] == 9 * FRAME
    assert places[10] == 10 * FRAME + 3_000


def test_a_burst_after_a_stall_of_the_loop_is_no_hole():
    side = Side()
    feed(side, 2 * SECOND)
    feed(side, 20, first=100, late=lambda number: (120 - number) * FRAME)
    feed(side, 2 * SECOND, first=120)
    places = starts(side.take(4 * SECOND * FRAME))
    assert all(places[number] == number * FRAME for number in places)


@pytest.mark.parametrize("drift", [300e-6, -300e-6])
def test_a_crystal_that_is_off_does_not_move_a_side_by_more_than_can_be_noticed(drift):
    side, minutes = Side(), 3
    taken = bytearray()
    for second in range(60 * minutes):
        feed(side, SECOND, first=second * SECOND, drift=drift)
        taken += side.take(max(0, second - 2) * SECOND * FRAME)
    places = starts(bytes(taken))
    off = [abs(place - number * FRAME * (1 + drift)) for number, place in places.items()]
    assert max(off) < RATE * 0.025


def test_what_fills_a_hole_says_nothing_about_time():
    side = Side()
    feed(side, SECOND)
    for number in range(SECOND, 2 * SECOND):
        side.frame(ramp(number), None)
    feed(side, SECOND, first=2 * SECOND)
    assert all(place == number * FRAME for number, place in starts(side.take(3 * SECOND * FRAME)).items())


def test_a_side_that_says_nothing_is_silent_and_never_short():
    side = Side()
    assert side.take(1_000) == bytes(2_000)
    assert side.take(1_000) == b""
    side.run(ramp(1), 2_500)
    assert starts(side.take(3_000)) == {1: 1_500}


def test_pieces_that_were_played_in_one_are_not_cut_apart_by_the_jitter_of_their_marks():
    side = Side()
    for number, jitter in enumerate((0, 300, -200, 500)):
        side.run(ramp(number) * 10, 8_000 + number * 10 * FRAME + jitter)
    side.run(ramp(9), 40_000)
    places = starts(side.take(48_000))
    assert places == {**{n: 8_000 + n * 10 * FRAME for n in range(4)}, 9: 40_000}


def test_nothing_is_heard_on_either_side_while_masked():
    both = TwoSides()
    feed(both.caller, 3 * SECOND)
    feed(both.agent, 3 * SECOND)
    both.mask(RATE // 2)
    both.unmask(RATE)
    both.mask(2 * RATE)
    first = np.frombuffer(both.take(RATE * 3 // 4), "<i2").reshape(-1, 2)
    rest = np.frombuffer(both.take(RATE * 3), "<i2").reshape(-1, 2)
    sound = np.concatenate([first, rest])
    silent = np.all(sound == 0, axis=1)
    assert silent[RATE // 2 : RATE].all()
    assert silent[2 * RATE :].all()
    assert not silent[: RATE // 2].any()
    assert not silent[RATE : 2 * RATE].any()
