"""A host's calls hear from shared engines whatever becomes of the actors: the pool alone, with actors under command."""

from __future__ import annotations

import asyncio
import random

import pytest

from openclaw_actors.cluster.engine_pool import EnginePool, LostActorError
from openclaw_actors.errors import (
    BrokenEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from tests.cluster.engine_samples import Node, SampleActor


async def until(happened, timeout_s=10.0):
    """What actors do raises no event here."""
    async with asyncio.timeout(timeout_s):
        while not happened():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


class Bench:
    """Two nodes and the pool that asks them."""

    def __init__(self, nodes: int = 2) -> None:
        self.nodes = [Node(number) for number in range(nodes)]
        self.found = 0
        self.head = True
        rng = random.Random(1)
        self.pool = EnginePool("whisper", tuple(range(nodes)), self._find, "1 CPUs, 1 GPUs", rng.randrange)

    async def _find(self, number):
        if not self.head:
            raise LostActorError("the head does not answer")
        self.found += 1
        return SampleActor(self.nodes[number])

    async def ask(self, word="hello", deadline_s=10.0):
        return await self.pool.ask("transcribe", word, deadline_s=deadline_s)

    async def all_serve(self, count):
        await until(lambda: len(self.pool._that_serve()) == count)


@pytest.fixture
async def bench():
    bench = Bench()
    await bench.pool.open()
    await bench.all_serve(2)
    yield bench
    await bench.pool.aclose()


@pytest.fixture
async def closed():
    """Not opened yet."""
    bench = Bench()
    yield bench
    await bench.pool.aclose()


async def test_an_answer_comes_from_an_actor(bench):
    assert (await bench.ask()).endswith(": hello")
    assert bench.pool.partial_every_s == 0.7


async def test_jobs_go_to_the_less_busy_actor(bench):
    gate = asyncio.Event()
    for node in bench.nodes:
        node.held = gate
    asking = [asyncio.create_task(bench.ask(str(n))) for n in range(40)]
    await until(lambda: sum(len(node.asked) for node in bench.nodes) == 40)
    assert abs(len(bench.nodes[0].asked) - len(bench.nodes[1].asked)) <= 8  # of two draws, both may be the same
    gate.set()
    await asyncio.gather(*asking)


async def test_a_job_whose_actor_dies_is_done_by_another(bench):
    for node in bench.nodes:
        node.held = asyncio.Event()
    asking = asyncio.create_task(bench.ask())
    await until(lambda: any(node.asked for node in bench.nodes))
    first, other = sorted(bench.nodes, key=lambda node: not node.asked)
    other.held = None
    first.die()
    assert await asking == f"{other.number}: hello"


async def test_a_job_that_actor_after_actor_dies_of_is_to_blame(bench):
    for node in bench.nodes:
        node.held = asyncio.Event()
    asking = asyncio.create_task(bench.ask())
    while not asking.done():
        await until(lambda: asking.done() or any(node.alive and node.busy for node in bench.nodes))
        for node in bench.nodes:
            if node.busy:
                node.die()
                await until(lambda node=node: not node.busy)
                node.come_back()
    with pytest.raises(BrokenEngineError, match=r"4 actors died of it"):
        await asking


async def test_while_no_actor_serves_a_job_waits_for_the_one_that_comes_back(bench):
    for node in bench.nodes:
        node.die()
    asking = asyncio.create_task(bench.ask())
    await bench.all_serve(0)
    assert not asking.done()
    bench.nodes[1].come_back()
    assert await asking == "1: hello"


async def test_what_waits_past_its_deadline_hears_that_no_actor_serves_and_why(bench):
    for node in bench.nodes:
        node.die()
    with pytest.raises(UnavailableEngineError, match=r"none of its 2 actors serves .*actor \d is gone"):
        await bench.ask(deadline_s=0.3)


async def test_a_slow_actor_is_a_slow_engine_and_its_work_is_cancelled(bench):
    for node in bench.nodes:
        node.held = asyncio.Event()
    with pytest.raises(SlowEngineError, match=r"no answer after 0\.2 s"):
        await bench.ask(deadline_s=0.2)
    assert sum(node.cancelled for node in bench.nodes) == 1


async def test_an_actor_that_is_gone_for_good_is_made_anew(bench):
    bench.nodes[0].die()
    while bench.found < 3:
        bench.pool.members[0].doubted.set()
        await asyncio.sleep(0.02)
    bench.nodes[0].come_back()
    await bench.all_serve(2)


async def test_while_the_head_is_lost_actors_that_live_go_on_answering(bench):
    bench.head = False
    bench.nodes[0].die()
    for _ in range(20):
        assert await bench.ask() == "1: hello"


async def test_a_phrase_that_breaks_off_is_a_passing_fault_and_one_that_did_not_begin_is_spoken_by_another(bench):
    async def speak():
        return [piece async for piece in bench.pool.stream("speak", "one two three", deadline_s=10)]

    assert await speak() == ["one", "two", "three"]
    for node in bench.nodes:
        node.held = asyncio.Event()
    speaking = asyncio.create_task(speak())
    await until(lambda: any(node.asked for node in bench.nodes))
    await asyncio.sleep(0.05)
    for node in bench.nodes:
        node.die()
    with pytest.raises(TransientEngineError, match="in the middle of an answer"):
        await speaking


async def test_an_engine_that_can_t_open_is_unavailable_and_says_why(closed):
    for node in closed.nodes:
        node.fault = ("unavailable", "no model in /models")
    with pytest.raises(UnavailableEngineError, match=r"no model in /models"):
        await closed.pool.open()
    for node in closed.nodes:
        node.fault = None
    await closed.pool.open()
    assert (await closed.ask()).endswith("hello")


async def test_what_an_actor_fetches_is_progress(closed):
    for node in closed.nodes:
        node.opening = True
    opening = asyncio.create_task(closed.pool.open())
    await until(lambda: closed.pool.progress is not None)
    assert closed.pool.progress == 0.5
    assert not opening.done()
    for node in closed.nodes:
        node.opening = False
    await opening


async def test_actors_for_which_no_node_has_room_are_told_apart_from_others(closed, monkeypatch):
    monkeypatch.setattr("openclaw_actors.cluster.engine_pool.PLACED_S", 0.2)

    async def never(_):
        await asyncio.Event().wait()

    pool = EnginePool("whisper", (0,), never, "1 CPUs, 1 GPUs")
    with pytest.raises(UnavailableEngineError, match=r"each wants 1 CPUs, 1 GPUs.*ray status"):
        await pool.open()
    await pool.aclose()
