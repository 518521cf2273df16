"""The jitter buffer's promises: order, no delay without jitter, and a delay that goes away again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.jitter import ArrivalClock, JitterBuffer, RtpAudio

RATE = 48_000
STEP = 960
PTIME = 0.02
CAPACITY = 64


def packet(number: int, late: float = 0.0, *, first: int = 0, source: int = 1) -> RtpAudio:
    """The packet that should come at ``number`` times 20 ms, ``late`` seconds later."""
    return RtpAudio(
        (first + number) & 0xFFFF,
        (number * STEP + first * STEP) & 0xFFFF_FFFF,
        number.to_bytes(4, "big"),
        1000 + number * PTIME + late,
        source,
    )


def run(buffer: JitterBuffer, packets: list[RtpAudio]) -> list[tuple[int, float]]:
    """Feed packets in the order of their arrival, with the timer that the shell has; (number, released at)."""
    out: list[tuple[int, float]] = []
    for arriving in sorted(packets, key=lambda p: p.arrived_at):
        while buffer.deadline is not None and buffer.deadline <= arriving.arrived_at:
            at = buffer.deadline
            out += [(int.from_bytes(p.payload, "big"), at) for p in buffer.poll(at)]
        out += [(int.from_bytes(p.payload, "big"), arriving.arrived_at) for p in buffer.push(arriving)]
    while buffer.deadline is not None:
        at = buffer.deadline
        out += [(int.from_bytes(p.payload, "big"), at) for p in buffer.poll(at)]
    return out


def delay(number: int, released: float) -> float:
    return released - (1000 + number * PTIME)


def test_without_jitter_each_packet_leaves_the_instant_it_comes():
    buffer = JitterBuffer(RATE)
    released = run(buffer, [packet(i) for i in range(500)])
    assert released == [(i, 1000 + i * PTIME) for i in range(500)]
    assert buffer.target == PTIME


def test_a_lost_packet_delays_nothing():
    buffer = JitterBuffer(RATE)
    released = run(buffer, [packet(i) for i in range(200) if i not in {60, 61, 90}])
    assert [number for number, _ in released] == [i for i in range(200) if i not in {60, 61, 90}]
    assert max(delay(*r) for r in released) < 0.001
    assert buffer.lost == 3


def test_under_jitter_a_hole_is_waited_for_and_the_late_packet_comes_out_in_order():
    buffer = JitterBuffer(RATE)
    rng = random.Random(1)
    packets = [packet(i, rng.uniform(0, 0.12)) for i in range(1000)]
    released = run(buffer, packets)
    numbers = [number for number, _ in released]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 995, "all but the first surprises are waited for"
    assert 0.08 < buffer.target <= 0.2


def test_the_wait_shrinks_back_when_the_jitter_is_over():
    buffer = JitterBuffer(RATE)
    rng = random.Random(2)
    rough = [packet(i, rng.uniform(0, 0.12)) for i in range(250)]
    smooth = [packet(i) for i in range(250, 600) if i % 20]
    released = run(buffer, rough + smooth)
    assert buffer.target == PTIME
    assert max(delay(*r) for r in released if r[0] > 400) < 0.001, "2 s later a lost packet costs nothing again"


def test_a_second_of_blackout_leaves_no_delay_behind():
    buffer = JitterBuffer(RATE)
    jam = [packet(i, (150 - i) * PTIME) for i in range(100, 150)]  # all let go at once
    released = run(buffer, [packet(i) for i in range(100)] + jam + [packet(i) for i in range(150, 400)])
    assert len(released) == 400
    assert max(delay(*r) for r in released if r[0] >= 150) < 0.001


def test_a_route_that_grows_longer_becomes_the_normal_way():
    buffer = JitterBuffer(RATE)
    run(buffer, [packet(i) for i in range(100)] + [packet(i, 0.15) for i in range(100, 600)])
    assert buffer.target == PTIME
    assert buffer.clock.due(600 * STEP) == pytest.approx(1000 + 600 * PTIME + 0.15)


def test_no_hole_is_waited_for_longer_than_a_fifth_of_a_second():
    buffer = JitterBuffer(RATE)
    rough = [packet(i, 0.9 if i % 10 == 5 else 0.0) for i in range(200)]
    released = run(buffer, rough)
    assert max(delay(*r) for r in released) <= 0.2 + PTIME
    assert buffer.late > 0


def test_sequence_numbers_and_timestamps_may_wrap_around():
    buffer = JitterBuffer(RATE)
    first = 65_500
    released = run(buffer, [packet(i, first=first) for i in range(100) if i != 50])
    assert [number for number, _ in released] == [i for i in range(100) if i != 50]
    wrapping = JitterBuffer(RATE)
    start = (1 << 32) - 10 * STEP
    for i in range(20):
        taken = wrapping.push(RtpAudio(i, (start + i * STEP) & 0xFFFF_FFFF, b"", i * PTIME))
        assert len(taken) == 1
    assert wrapping.clock.lateness < 0.001


def test_duplicates_are_dropped_and_counted():
    buffer = JitterBuffer(RATE)
    packets = [packet(i) for i in range(50)]
    released = run(buffer, packets + [packet(i, 0.001) for i in range(50)])
    assert len(released) == 50
    assert buffer.duplicates == 50
    assert buffer.late == 0


def test_a_packet_that_was_given_up_is_late_and_not_played():
    buffer = JitterBuffer(RATE)
    released = run(buffer, [packet(i, 0.1 if i == 20 else 0) for i in range(50)])
    assert 20 not in [number for number, _ in released]
    assert (buffer.lost, buffer.late) == (1, 1)
    assert buffer.target == pytest.approx(0.11), "the next one like it is waited for"


def test_a_sender_that_pauses_is_no_loss():
    buffer = JitterBuffer(RATE)
    run(buffer, [packet(i) for i in range(50)])
    resumed = RtpAudio(50, 150 * STEP, b"", 1000 + 150 * PTIME)
    assert buffer.push(resumed) == [resumed]
    assert buffer.lost == 0


def test_another_source_starts_over_with_its_own_numbers():
    buffer = JitterBuffer(RATE)
    buffer.push(packet(0))
    buffer.push(packet(2))  # waits for 1 ...
    other = RtpAudio(1, 7, b"", 1001, source=2)
    assert [p.source for p in buffer.push(other)][-1] == 2, "... which a packet of another source is not"
    assert buffer.target == PTIME


def test_a_restarted_sender_is_followed_at_once():
    buffer = JitterBuffer(RATE)
    run(buffer, [packet(i) for i in range(50)])
    restarted = RtpAudio(30_000, 5, b"", 1002.0)
    assert buffer.push(restarted) == [restarted]


def test_jitter_is_that_of_rfc_3550():
    clock = ArrivalClock(RATE)
    for i in range(2000):
        clock.observe(i * STEP, i * PTIME + (0.01 if i % 2 else 0))
    assert clock.jitter == pytest.approx(0.01, rel=0.01)


FATES = st.lists(
    st.tuples(st.sampled_from(["come", "come", "come", "lost", "twice"]), st.floats(0, 0.4)), min_size=1, max_size=120
)


@settings(max_examples=150, deadline=None)
@given(FATES, st.integers(0, 65_535))
def test_whatever_the_network_does_order_holds_nothing_doubles_and_all_is_accounted_for(fates, first):
    buffer = JitterBuffer(RATE, capacity=CAPACITY)
    packets = [packet(i, late, first=first) for i, (fate, late) in enumerate(fates) if fate != "lost"]
    packets += [packet(i, late + 0.01, first=first) for i, (fate, late) in enumerate(fates) if fate == "twice"]
    released = run(buffer, packets)
    numbers = [number for number, _ in released]
    assert numbers == sorted(set(numbers))
    assert buffer.depth == 0
    assert len(numbers) + buffer.duplicates + buffer.late == len(packets)
    for number, at in released:
        arrived = min(p.arrived_at for p in packets if int.from_bytes(p.payload, "big") == number)
        assert 0 <= at - arrived <= 0.2 + 1e-9, "no packet is held longer than the bound"


@settings(max_examples=60, deadline=None)
@given(FATES)
def test_the_depth_is_bounded(fates):
    buffer = JitterBuffer(RATE, capacity=8)
    for i, (fate, _) in enumerate(fates):
        if fate != "lost":
            buffer.push(RtpAudio(i, i * STEP, b"", 1000.0))  # all at one instant: no time passes
        assert buffer.depth < 8


@settings(max_examples=40, deadline=None)
@given(FATES)
def test_the_delay_returns_to_nothing_after_any_trouble(fates):
    buffer = JitterBuffer(RATE)
    trouble = [packet(i, late) for i, (fate, late) in enumerate(fates) if fate != "lost"]
    calm = len(fates) + 300
    smooth = [packet(i) for i in range(len(fates), calm + 50)]
    released = run(buffer, trouble + smooth)
    assert max(delay(*r) for r in released if r[0] >= calm) < 0.001


@pytest.mark.parametrize(("patience", "released"), [(0.0, [0, 2, 3]), (0.1, [0, 1, 2, 3])])
def test_two_that_changed_places_while_all_was_held_up_are_put_in_order_where_that_is_waited_for(patience, released):
    """What comes at once after half a second is late by its timestamps, the one that is missing too."""
    buffer = JitterBuffer(RATE, patience=patience)
    got = buffer.push(packet(0))
    for number in (2, 1, 3):
        got += buffer.push(packet(number)._replace(arrived_at=packet(0).arrived_at + 0.5))
    got += buffer.poll(packet(0).arrived_at + 0.55)
    assert [p.sequence for p in got] == released


def test_one_that_never_comes_is_waited_for_no_longer_than_that():
    buffer = JitterBuffer(RATE, patience=0.1)
    buffer.push(packet(0))
    buffer.push(packet(2))
    assert buffer.deadline == pytest.approx(packet(2).arrived_at + 0.1)
    assert [p.sequence for p in buffer.poll(packet(2).arrived_at + 0.1)] == [2]
