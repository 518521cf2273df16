"""Worker pools: what a crash, a hang or a flood costs, and whom."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
import structlog

from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.observability import metrics


def obedient(name="sample", **more):
    options = {"begun": str(more.pop("begun"))} if "begun" in more else {}
    return WorkerPool(name, "worker_samples:Obedient", options, **more)


@pytest.fixture
async def pool(closing):
    pool = closing(obedient())
    await pool.start()
    return pool


async def until(true: Callable[[], bool]):
    """Wait for what another process does, of which no event tells."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


async def begun(path: Path, jobs: int):
    await until(lambda: path.exists() and len(path.read_text().splitlines()) >= jobs)


async def line_that_begins(stream: asyncio.StreamReader, word: str) -> str:
    """What stands behind ``word`` on the first line that begins with it; the log is printed between."""
    async for line in stream:
        if line.decode().startswith(word):
            return line.decode().removeprefix(word)
    raise AssertionError("the host ended")


def lives(pid: int) -> bool:
    try:
        # An orphan stays a zombie for as long as the machine's first process pleases.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(pid: int):
    await until(lambda: not lives(pid))


def abandoned(pool="sample"):
    return metrics.REGISTRY.get_sample_value("openclaw_actors_pool_abandoned_total", {"pool": pool}) or 0


def depth(pool="sample"):
    return metrics.REGISTRY.get_sample_value("openclaw_actors_pool_queue_depth", {"pool": pool})


# --- Work ----------------------------------------------------------------------------------------------------


async def test_a_job_is_done_in_another_process(pool):
    assert await pool.run(("pid",), deadline_s=10) == pool.pids[0] != os.getpid()


async def test_bytes_go_there_and_back_unchanged(pool):
    pcm = bytes(range(256)) * 4000
    assert await pool.run(("echo", pcm), deadline_s=10) == pcm


async def test_chunks_are_streamed_in_order(pool):
    assert [n async for n in pool.stream(("count", 50), deadline_s=10)] == list(range(50))


async def test_a_stream_of_a_plain_value_is_one_chunk_and_a_run_of_chunks_is_a_list(pool):
    assert [v async for v in pool.stream(("echo", 7), deadline_s=10)] == [7]
    assert await pool.run(("count", 3), deadline_s=10) == [0, 1, 2]


async def test_jobs_are_done_in_the_order_they_came(pool):
    done = []

    async def job(number):
        done.append(await pool.run(("echo", number), deadline_s=10))

    await asyncio.gather(*(job(n) for n in range(20)))
    assert done == list(range(20))


async def test_two_workers_work_at_once(closing, tmp_path):
    pool = closing(obedient(workers=2, begun=tmp_path / "begun"))
    await pool.start()
    hanging = asyncio.create_task(pool.run(("hang",), deadline_s=30))
    await begun(tmp_path / "begun", 1)
    assert await pool.run(("echo", 1), deadline_s=10) == 1
    hanging.cancel()


async def test_two_pools_keep_to_themselves(closing, pool):
    other = closing(obedient("other"))
    await other.start()
    with pytest.raises(BrokenEngineError):
        await other.run(("die",), deadline_s=10)
    assert await pool.run(("pid",), deadline_s=10) == pool.pids[0]


async def test_a_worker_has_one_native_thread_and_stands_back_for_media(pool):
    named = "OMP_NUM_THREADS" in os.environ
    assert named or await pool.run(("environment", "OMP_NUM_THREADS"), deadline_s=10) == "1"
    assert await pool.run(("niceness",), deadline_s=10) == min(19, os.nice(0) + 5)


async def test_what_a_worker_prints_goes_to_the_log_and_not_into_answers(pool):
    with structlog.testing.capture_logs() as logs:
        assert await pool.run(("say", "hello from C"), deadline_s=10) == "said"
        await until(lambda: len(logs) >= 2)
    assert {entry["line"] for entry in logs} == {"hello from C", "and on standard error"}


# --- Faults of a job -------------------------------------------------------------------------------------------


async def test_an_exception_comes_back_as_a_broken_engine_with_its_text(pool):
    with pytest.raises(BrokenEngineError, match="ValueError: seven is not a word"):
        await pool.run(("fail",), deadline_s=10)
    with pytest.raises(BrokenEngineError, match="FileNotFoundError"):
        await pool.run(("read_missing_file",), deadline_s=10)
    assert await pool.run(("echo", 1), deadline_s=10) == 1


async def test_an_engine_error_keeps_its_class(pool):
    with pytest.raises(RefusedEngineError, match="no such voice"):
        await pool.run(("refuse",), deadline_s=10)
    with pytest.raises(TransientEngineError, match="once more"):
        await pool.run(("stumble",), deadline_s=10)


async def test_an_answer_that_cannot_travel_is_a_fault_of_its_job_alone(pool):
    before = pool.pids
    with pytest.raises(BrokenEngineError):
        await pool.run(("unpicklable",), deadline_s=10)
    assert await pool.run(("pid",), deadline_s=10) == before[0]


# --- Death -----------------------------------------------------------------------------------------------------


async def test_a_job_whose_worker_is_killed_is_done_by_the_next_one(pool, tmp_path):
    before = pool.pids[0]
    assert await pool.run(("die_once", str(tmp_path / "died")), deadline_s=10) == "survived"
    assert pool.pids[0] != before


@pytest.mark.parametrize("death", [("die",), ("die", signal.SIGSEGV), ("leave",), ("garble",)])
async def test_a_job_that_kills_two_workers_is_to_blame_itself(pool, death):
    with pytest.raises(BrokenEngineError, match="2 processes died of it"):
        await pool.run(death, deadline_s=10)
    assert await pool.run(("echo", 1), deadline_s=10) == 1


async def test_an_idle_worker_that_is_killed_is_replaced_before_it_is_needed(pool):
    before = pool.pids[0]
    os.kill(before, signal.SIGKILL)
    await until(lambda: pool.pids not in ((), (before,)))
    assert await pool.run(("pid",), deadline_s=10) == pool.pids[0] != before


async def test_a_stream_that_breaks_off_is_transient_and_never_begun_again(pool):
    numbers = pool.stream(("count_then_die", 3), deadline_s=10)
    assert [await anext(numbers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(TransientEngineError, match="in the middle"):
        await anext(numbers)


async def test_jobs_behind_one_that_kills_its_worker_are_done(pool):
    deadly = asyncio.create_task(pool.run(("die",), deadline_s=10))
    behind = [asyncio.create_task(pool.run(("echo", n), deadline_s=20)) for n in range(5)]
    assert await asyncio.gather(*behind) == list(range(5))
    with pytest.raises(BrokenEngineError):
        await deadly


async def test_a_worker_that_cannot_come_back_makes_its_jobs_unavailable_until_it_can(closing, tmp_path):
    marker = tmp_path / "alive"
    pool = closing(WorkerPool("mortal", "worker_samples:Mortal", {"marker": str(marker)}))
    await pool.start()
    os.kill(pool.pids[0], signal.SIGKILL)
    with pytest.raises(UnavailableEngineError, match="SIGKILL"):
        await pool.run(("echo", 1), deadline_s=1)
    marker.unlink()
    assert await pool.run(("echo", 2), deadline_s=15) == 2


# --- Deadlines -------------------------------------------------------------------------------------------------


async def test_a_hung_worker_is_killed_at_the_deadline_and_the_others_jobs_are_done(closing, tmp_path):
    pool = closing(obedient(begun=tmp_path / "begun"))
    await pool.start()
    before, killed = pool.pids[0], abandoned()
    hung = asyncio.create_task(pool.run(("hang",), deadline_s=0.5))
    await begun(tmp_path / "begun", 1)
    others = [asyncio.create_task(pool.run(("echo", n), deadline_s=20)) for n in range(3)]
    with pytest.raises(SlowEngineError):
        await hung
    assert await asyncio.gather(*others) == [0, 1, 2]
    await gone(before)
    assert abandoned() == killed + 1


async def test_a_job_whose_deadline_passes_in_the_queue_does_not_cost_the_worker_its_life(closing, tmp_path):
    pool = closing(obedient(begun=tmp_path / "begun"))
    await pool.start()
    before, killed = pool.pids[0], abandoned()
    long = asyncio.create_task(pool.run(("hang",), deadline_s=30))
    await begun(tmp_path / "begun", 1)
    with pytest.raises(SlowEngineError, match="in the queue"):
        await pool.run(("echo", 1), deadline_s=0.1)
    assert (pool.pids[0], abandoned(), depth()) == (before, killed, 0)
    long.cancel()


async def test_a_stream_that_stalls_is_slow(pool):
    with pytest.raises(SlowEngineError):
        await pool.run(("hang",), deadline_s=0.2)


async def test_a_slow_listener_gets_all_of_a_stream_that_was_made_in_time(pool):
    heard = []
    async for number in pool.stream(("count", 5), deadline_s=0.4):
        if number == 0:
            await asyncio.sleep(0.5)  # the listener's own time, past the deadline
        heard.append(number)
    assert heard == [0, 1, 2, 3, 4]


# --- Cancelling, and floods --------------------------------------------------------------------------------------


async def test_a_cancelled_job_that_waits_is_never_begun(closing, tmp_path):
    pool = closing(obedient(begun=tmp_path / "begun"))
    await pool.start()
    hung = asyncio.create_task(pool.run(("hang",), deadline_s=0.5))
    await begun(tmp_path / "begun", 1)
    waiting = asyncio.create_task(pool.run(("echo", "cancelled"), deadline_s=10))
    await asyncio.sleep(0)
    assert depth() == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert depth() == 0
    await asyncio.wait({hung})
    await pool.run(("pid",), deadline_s=10)
    assert [line.split()[0] for line in (tmp_path / "begun").read_text().splitlines()] == ["hang", "pid"]
    assert isinstance(hung.exception(), SlowEngineError)


async def test_a_cancelled_job_that_runs_is_ignored_and_still_killed_past_its_deadline(closing, tmp_path):
    pool = closing(obedient(begun=tmp_path / "begun"))
    await pool.start()
    before = pool.pids[0]
    hung = asyncio.create_task(pool.run(("hang",), deadline_s=0.5))
    await begun(tmp_path / "begun", 1)
    hung.cancel()
    assert await pool.run(("pid",), deadline_s=10) != before


async def test_closing_a_stream_stops_the_worker_after_its_current_chunk(pool, tmp_path):
    before = pool.pids[0]
    async with aclosing(pool.stream(("count_until_told", str(tmp_path / "stopped")), deadline_s=30)) as numbers:
        assert await anext(numbers) == 0
    assert await pool.run(("pid",), deadline_s=10) == before
    assert (tmp_path / "stopped").exists()


async def test_a_full_queue_refuses_at_once(closing, tmp_path):
    pool = closing(obedient(queue=2, begun=tmp_path / "begun"))
    await pool.start()
    tasks = [asyncio.create_task(pool.run(("hang",), deadline_s=30))]
    await begun(tmp_path / "begun", 1)
    tasks += [asyncio.create_task(pool.run(("echo", n), deadline_s=30)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TransientEngineError, match="2 jobs wait"):
        await pool.run(("echo", 3), deadline_s=30)
    for task in tasks:
        task.cancel()


# --- Birth and burial ----------------------------------------------------------------------------------------------


async def test_a_worker_that_says_why_it_cannot_serve_is_quoted():
    pool = WorkerPool("unwilling", "worker_samples:unwilling", {"reason": "no model in /models"})
    with pytest.raises(UnavailableEngineError, match="no model in /models"):
        await pool.start()
    with pytest.raises(UnavailableEngineError):
        await pool.run("anything", deadline_s=1)


async def test_a_factory_that_does_not_exist_is_named():
    with pytest.raises(UnavailableEngineError, match="no_such_module"):
        await WorkerPool("nowhere", "no_such_module:f", {}).start()


async def test_a_worker_that_crashes_at_its_start_is_reported_with_its_last_words():
    with pytest.raises(UnavailableEngineError, match="SIGSEGV"):
        await WorkerPool("stillborn", "worker_samples:stillborn", {}).start()


async def test_a_worker_that_never_gets_warm_is_given_up():
    with pytest.raises(UnavailableEngineError, match=r"not ready after 0\.3 s"):
        await WorkerPool("sleeper", "worker_samples:sleeper", {}, warm_s=0.3).start()
    assert not psutil.Process().children()


async def test_cancelling_a_start_leaves_no_process():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await WorkerPool("sleeper", "worker_samples:sleeper", {}, workers=2).start()
    assert not psutil.Process().children()


async def test_a_closed_pool_leaves_no_process_no_descriptor_and_no_task(tmp_path):
    # What asyncio itself keeps (its child watcher's, its self-pipe) is made by a first round.
    for round_ in range(3):
        pool = obedient(workers=2, begun=tmp_path / f"begun{round_}")
        await pool.start()
        running = asyncio.create_task(pool.run(("hang",), deadline_s=30))
        await begun(tmp_path / f"begun{round_}", 1)
        pids = pool.pids
        await pool.aclose()
        await pool.aclose()
        with pytest.raises(UnavailableEngineError, match="closed"):
            await running
        assert not any(psutil.pid_exists(pid) for pid in pids)
        gc.collect()
        left = (psutil.Process().num_fds(), len(asyncio.all_tasks()))
        if round_ == 0:
            first = left
    assert left == first


async def test_a_pool_that_is_closed_the_moment_it_has_started_leaves_no_process():
    pool = obedient(workers=2)
    await pool.start()
    await pool.aclose()
    assert not psutil.Process().children()


async def test_a_closed_pool_can_be_started_again(pool):
    await pool.aclose()
    with pytest.raises(UnavailableEngineError):
        await pool.run(("echo", 1), deadline_s=1)
    await pool.start()
    assert await pool.run(("echo", 1), deadline_s=10) == 1


async def test_workers_ignore_the_signals_that_are_meant_for_the_host(pool):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pool.pids[0], number)
    assert await pool.run(("pid",), deadline_s=10) == pool.pids[0]


@pytest.mark.parametrize("job", ["hang", "echo"])
async def test_a_host_that_is_killed_takes_its_workers_along(job):
    host = textwrap.dedent(f"""
        import asyncio, sys
        sys.path.append({str(Path(__file__).parent)!r})
        from openclaw_actors.engines.workers import WorkerPool

        async def main():
            pool = WorkerPool("orphans", "worker_samples:Obedient", {{}})
            await pool.start()
            print("worker", pool.pids[0], flush=True)
            await pool.run(({job!r},) if {job!r} == "hang" else ("echo", 1), deadline_s=60)
            print("done", flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", host, stdout=subprocess.PIPE)
    try:
        async with asyncio.timeout(20):
            pid = int(await line_that_begins(process.stdout, "worker"))
            if job == "echo":
                await line_that_begins(process.stdout, "done")
    finally:
        process.kill()
        await process.wait()
    await gone(pid)


def test_pools_work_on_uvloop_too(tmp_path):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        pool = obedient(begun=tmp_path / "begun")
        await pool.start()
        assert await pool.run(("die_once", str(tmp_path / "died")), deadline_s=10) == "survived"
        assert [n async for n in pool.stream(("count", 3), deadline_s=10)] == [0, 1, 2]
        with pytest.raises(SlowEngineError):
            await pool.run(("hang",), deadline_s=0.2)
        assert await pool.run(("echo", 1), deadline_s=10) == 1
        pids = pool.pids
        await pool.aclose()
        assert not any(psutil.pid_exists(pid) for pid in pids)
        with pytest.raises(UnavailableEngineError, match="unready"):
            await WorkerPool("unwilling", "worker_samples:unwilling", {"reason": "unready"}).start()

    uvloop.run(main())
