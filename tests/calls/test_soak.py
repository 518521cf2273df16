"""The short form of ``make soak``: waves of calls leave exactly nothing behind."""

from __future__ import annotations

import pytest

from tests.load.soak import GROWTH_KB, Soak, Wave, faults, report, soak, soaked_host

WAVES, WAVE = 2, 10


@pytest.mark.usefixtures("flite")
async def test_after_each_of_three_waves_threads_sockets_tasks_and_actors_are_what_they_were():
    async with soaked_host() as (host, callers):
        found = await soak(host, callers, WAVE, lambda so_far: len(so_far.waves) < WAVES, lambda _: None)
    assert found.failed == []
    assert found.leaks == []
    assert found.answered == found.calls == (WAVES + 1) * WAVE


def test_memory_that_grows_with_the_calls_is_a_fault_and_warming_up_is_none():
    def waves(kb_a_call: float) -> list[Wave]:
        counts = range(15, 315, 15)
        return [Wave(n * 4.0, n, 100 + min(n, 100) / 10 + max(0, n - 100) * kb_a_call / 1024, {}) for n in counts]

    steady, leaking = (Soak(None, waves(kb), answered=300) for kb in (GROWTH_KB / 2, GROWTH_KB * 2))
    assert faults(steady, 0) == []
    assert faults(leaking, 0) == ["memory grew by 40.0 kB a call"]
    assert "| failed | 0 |" in report(steady, 15)


def test_what_a_wave_leaves_behind_is_named():
    found = Soak(None, [Wave(4, 15, 100, {}), Wave(8, 30, 100, {"actors": 1})])
    assert faults(found, 0) == ["after 30 calls: {'actors': 1}"]
