"""How busy a loop is: measured of the thread that asks, and of nothing else."""

from __future__ import annotations

import time
from threading import Thread

import pytest

from openclaw_actors.observability.loop_load import LoopLoad


def test_it_is_the_share_of_the_time_since_it_was_measured_last():
    now = computed = 10.0
    load = LoopLoad(lambda: now, lambda: computed)
    computed += 0.3
    assert load.measure(now + 1) == pytest.approx(0.3)
    computed += 1.0
    assert load.measure(now + 3) == pytest.approx(0.5)
    assert load.measured_at == now + 3


def test_clocks_that_differ_by_a_hair_make_it_no_more_than_all():
    assert LoopLoad(lambda: 0.0, iter((0.0, 1.01)).__next__).measure(1.0) == 1.0


def test_a_thread_that_waits_is_not_busy_whatever_others_compute():
    load = LoopLoad()
    other = Thread(target=lambda: [number**2 for number in range(1_000_000)])
    began = time.monotonic()
    other.start()
    other.join()
    assert load.measure(max(time.monotonic(), began + 0.05)) < 0.5


def test_a_thread_that_computes_is():
    load = LoopLoad()
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    spent = time.monotonic() - load.measured_at
    assert load.measure(time.monotonic()) > 0.04 / (spent + 0.01)
