"""One clock for all lines of an exchange: each keeps its time, and none can stop another's."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.testkit.mouth import PACKET_S
from openclaw_actors.testkit.providers.carrier.clock import LineClock

TIMEOUT = 10


@pytest.fixture
async def clock():
    clock = LineClock()
    yield clock
    await clock.aclose()


class Line:
    """Notes when it was due, and fails once with ``fault``."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.due: list[float] = []
        self._fault = fault
        self._called = asyncio.Event()

    def tick(self, due: float) -> None:
        self.due.append(due)
        self._called.set()
        if self._fault is not None:
            raise self._fault

    async def ticks(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while len(self.due) < count:
                self._called.clear()
                await self._called.wait()


async def test_each_line_is_due_every_20_ms_from_when_it_began(clock):
    early, late = Line(), Line()
    clock.begin(early.tick)
    await early.ticks(3)
    clock.begin(late.tick)
    await late.ticks(10)
    for line in (early, late):
        steps = [after - before for before, after in zip(line.due, line.due[1:], strict=False)]
        assert steps == pytest.approx([PACKET_S] * len(steps))
    assert len(early.due) > len(late.due)


async def test_a_line_that_is_stopped_is_called_no_more(clock):
    gone, stays = Line(), Line()
    ticking = clock.begin(gone.tick)
    clock.begin(stays.tick)
    await gone.ticks(2)
    ticking.stop()
    called = len(gone.due)
    await stays.ticks(called + 5)
    assert len(gone.due) == called


@pytest.mark.parametrize("fault", [ConnectionResetError(), ValueError("a fault")], ids=repr)
async def test_a_line_that_fails_stops_no_other(clock, fault):
    fails, stays = Line(fault), Line()
    clock.begin(fails.tick)
    clock.begin(stays.tick)
    await stays.ticks(5)
    assert len(fails.due) == 1


async def test_a_loop_that_ends_takes_the_clock_with_it():
    """Who cancels all tasks must not wait for one that goes on."""
    before = asyncio.all_tasks()
    clock, line = LineClock(), Line()
    clock.begin(line.tick)
    await line.ticks(2)
    (task,) = asyncio.all_tasks() - before
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=TIMEOUT)
    assert done == {task}
