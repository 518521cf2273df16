"""Batches: jobs of several calls that a worker does together, and that cost each other nothing when one goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import BrokenEngineError, SlowEngineError, TransientEngineError
from openclaw_actors.observability import metrics


@pytest.fixture
def begun(tmp_path):
    return tmp_path / "begun"


@pytest.fixture
async def make_pool(closing, begun):
    async def make(worker="Sociable", **more):
        pool = closing(WorkerPool("sociable", f"worker_samples:{worker}", {"begun": str(begun)}, **more))
        await pool.start()
        return pool

    return make


def batches(begun: Path) -> list[str]:
    """Each batch or single job that was begun, by its verbs."""
    return [line.split()[0] for line in begun.read_text().splitlines()]


def asked(pool, *payloads, deadline_s=10.0, urgent=True):
    return [asyncio.create_task(pool.run(payload, deadline_s=deadline_s, urgent=urgent)) for payload in payloads]


@contextlib.asynccontextmanager
async def busy(pool, begun, marker):
    """The pool's one worker works on a job until the block ends, so that what is asked within waits."""
    before = len(batches(begun)) if begun.exists() else 0
    holding = asyncio.create_task(pool.run(("wait_for", str(marker)), deadline_s=20))
    async with asyncio.timeout(10):
        while not begun.exists() or len(batches(begun)) == before:  # noqa: ASYNC110 - another process tells by a file
            await asyncio.sleep(0.005)
    yield
    await asyncio.sleep(0)  # what was asked is in the queue
    marker.touch()
    await holding


async def test_jobs_that_wait_are_done_together_as_many_as_the_worker_takes(make_pool, begun, tmp_path):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        tasks = asked(pool, *(("echo", n) for n in range(9)))
    assert await asyncio.gather(*tasks) == list(range(9))
    assert batches(begun) == ["wait_for", "echo+echo+echo+echo", "echo+echo+echo+echo", "echo"]


async def test_a_job_that_comes_alone_waits_for_no_others(make_pool, begun):
    pool = await make_pool()
    assert await pool.run(("echo", 1), deadline_s=10) == 1
    assert batches(begun) == ["echo"]


async def test_the_sizes_of_batches_are_counted(make_pool, begun, tmp_path):
    def count(bucket):
        return metrics.REGISTRY.get_sample_value(
            "openclaw_actors_pool_batch_jobs_bucket", {"pool": "sociable", "le": bucket}
        )

    pool = await make_pool()
    ones, fours = count("1.0") or 0, count("4.0") or 0
    async with busy(pool, begun, tmp_path / "go"):
        tasks = asked(pool, *(("echo", n) for n in range(4)))
    await asyncio.gather(*tasks)
    assert (count("1.0") - ones, count("4.0") - fours) == (1, 2)


# --- One that goes wrong ------------------------------------------------------------------------------------------


async def test_a_job_that_fails_is_the_only_one_that_does(make_pool, begun, tmp_path):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        good, bad, more = asked(pool, ("echo", 1), ("fail",), ("echo", 2))
    assert await asyncio.gather(good, more) == [1, 2]
    with pytest.raises(BrokenEngineError, match="seven is not a word"):
        await bad


async def test_a_worker_that_loses_answers_is_asked_one_by_one(make_pool, begun, tmp_path):
    pool = await make_pool("Forgetful")
    async with busy(pool, begun, tmp_path / "go"):
        tasks = asked(pool, ("echo", 1), ("echo", 2))
    assert await asyncio.gather(*tasks) == [1, 2]


async def test_a_job_that_kills_its_worker_takes_no_other_with_it(make_pool, begun, tmp_path):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        first, deadly, last = asked(pool, ("echo", 1), ("die",), ("echo", 2), deadline_s=20)
    assert await asyncio.gather(first, last) == [1, 2]
    with pytest.raises(BrokenEngineError, match="2 processes died of it"):
        await deadly
    assert batches(begun) == ["wait_for", "echo+die+echo", "echo", "die", "echo"]


async def test_a_batch_whose_worker_is_killed_from_outside_is_done_by_the_next_one_job_by_job(
    make_pool, begun, tmp_path
):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        tasks = asked(pool, ("die_once", str(tmp_path / "died")), ("echo", 1), ("echo", 2))
    assert await asyncio.gather(*tasks) == ["survived", 1, 2]


async def test_a_hang_costs_the_job_whose_deadline_passes_and_not_those_beside_it(make_pool, begun, tmp_path):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        (hung,) = asked(pool, ("hang",), deadline_s=1.0)
        beside = asked(pool, ("echo", 1), ("echo", 2), deadline_s=20)
    assert await asyncio.gather(*beside) == [1, 2]
    with pytest.raises(SlowEngineError):
        await hung


async def test_a_job_that_is_cancelled_in_a_batch_costs_the_others_nothing(make_pool, begun, tmp_path):
    pool = await make_pool()
    go = tmp_path / "go_on"
    async with busy(pool, begun, tmp_path / "go"):
        cancelled, kept = asked(pool, ("wait_for", str(go)), ("echo", 1))
    async with asyncio.timeout(10):
        while len(batches(begun)) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    go.touch()
    assert await kept == 1
    assert await pool.run(("echo", 2), deadline_s=10) == 2


# --- What can wait ------------------------------------------------------------------------------------------------


async def test_urgent_jobs_go_first_and_share_no_batch_with_those_that_can_wait(make_pool, begun, tmp_path):
    pool = await make_pool()
    async with busy(pool, begun, tmp_path / "go"):
        patient = asked(pool, ("pid",), ("pid",), urgent=False)
        await asyncio.sleep(0)
        urgent = asked(pool, ("echo", 1), ("echo", 2))
    await asyncio.gather(*patient, *urgent)
    assert batches(begun) == ["wait_for", "echo+echo", "pid+pid"]


async def test_a_full_queue_makes_room_for_what_is_urgent(make_pool, begun, tmp_path):
    pool = await make_pool(queue=2)
    async with busy(pool, begun, tmp_path / "go"):
        old, new = asked(pool, ("echo", "old"), ("echo", "new"), urgent=False)
        await asyncio.sleep(0)
        (urgent,) = asked(pool, ("echo", "urgent"))
        await asyncio.sleep(0)
        (late,) = asked(pool, ("echo", "late"), urgent=False)
        with pytest.raises(TransientEngineError, match="2 jobs wait"):
            await new
        with pytest.raises(TransientEngineError, match="2 jobs wait"):
            await late
    assert await asyncio.gather(old, urgent) == ["old", "urgent"]
