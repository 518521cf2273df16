"""What is the host's of a gap: the benchmarks' witnesses (tests/load/stalls.py)."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.load.stalls import LATE_S, Stall, Work, less_stalls, own_stalls, slow_moments


def test_stalls_are_taken_out_of_a_gap_each_moment_once():
    assert less_stalls(10.0, 0.1, []) == pytest.approx(0.1)
    assert less_stalls(10.0, 0.1, [Stall(9.95, 0.02), Stall(9.96, 0.02)]) == pytest.approx(0.07)
    assert less_stalls(10.0, 0.1, [Stall(9.99, 0.05), Stall(9.97, 0.01)]) == pytest.approx(0.05)


def test_only_what_lies_within_the_gap_counts():
    assert less_stalls(10.0, 0.1, [Stall(9.91, 0.05), Stall(10.02, 0.05)]) == pytest.approx(0.06)
    assert less_stalls(10.0, 0.1, [Stall(9.5, 0.05), Stall(10.5, 0.05)]) == pytest.approx(0.1)
    assert less_stalls(10.0, 0.1, [Stall(11, 3)]) == pytest.approx(0.0)


async def test_a_loop_that_stands_still_is_seen():
    async with own_stalls() as stalls:
        await asyncio.sleep(0.02)
        time.sleep(0.1)  # noqa: ASYNC251 - this is the stall
        await asyncio.sleep(0.02)
    longest = max(stalls, key=lambda stall: stall.seconds)
    assert longest.seconds >= 0.1 - 2 * LATE_S
    assert longest.ended_at <= time.monotonic()


def test_a_moment_in_which_work_takes_many_times_as_long_is_time_lost():
    works = [Work(0.005 * number, 10e-6) for number in range(20)]
    works[7] = Work(0.035, 100e-6)
    works[8] = Work(0.040, 39e-6)
    (lost,) = slow_moments(works)
    assert lost == pytest.approx(Stall(0.035, 0.0045))


def test_no_more_is_lost_than_goes_by_between_two_pieces_of_work():
    """The first after a stall, which is told as that."""
    works = [Work(at, took) for at, took in ((0.0, 10e-6), (0.1, 100e-6), (0.101, 100e-6))]
    works += [Work(0.11 + 0.005 * number, 10e-6) for number in range(5)]
    assert [lost.seconds for lost in slow_moments(works)] == pytest.approx([0.0045, 0.0009])


def test_nothing_is_slow_where_nothing_was_done():
    assert slow_moments([]) == []
