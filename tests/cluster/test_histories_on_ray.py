"""Twenty random histories of real hosts on real Ray, with real calls: what histories.py simulates, in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

import pytest

from openclaw_actors.client import ApiError
from openclaw_actors.names import host_of_call
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.signalling import CallRefusedError
from tests.cluster.conftest import HOSTS, Cluster, redialled

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1_200), pytest.mark.asyncio(loop_scope="session")]

HISTORIES = 20
STEPS = 8
MOST_CALLS = 5


class History:
    """Callers, what they do, and what becomes of them."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.rng = random.Random(seed)
        self.cluster = cluster
        self.up: list[Caller] = []
        self.lost: list[Caller] = []
        self.ended: dict[str, str] = {}
        """What each call that is over must have on record: its status."""
        self.heirs: Counter[str] = Counter()
        """Calls that went on from a lost one."""
        self.kills = 0
        self.callers: list[Caller] = []
        self.done: list[str] = []

    async def step(self) -> None:
        steps = {self.call: 5, self.hang_up: 2, self.kill: 2, self.drain: 1, self.end_drain: 2, self.redial: 4}
        chosen = self.rng.choices(list(steps), list(steps.values()))[0]
        self.done.append(chosen.__name__)
        await chosen()

    async def call(self) -> None:
        if len(self.up) == MOST_CALLS:
            return
        caller = self.cluster.caller()
        try:
            await caller.dial(20)
        except CallRefusedError as refusal:
            if refusal.status not in {502, 503}:
                raise
            await caller.leave()
        else:
            self.up.append(caller)
            self.callers.append(caller)

    async def hang_up(self) -> None:
        if self.up:
            caller = self.up.pop(self.rng.randrange(len(self.up)))
            await caller.hang_up()
            self.ended[caller.call_id] = "completed"

    async def kill(self) -> None:
        if self.kills < 2:
            self.kills += 1
            host = self.rng.choice(HOSTS)
            await self.cluster.kill(host)
            gone = [caller for caller in self.up if host_of_call(caller.call_id) == host]
            self.up = [caller for caller in self.up if caller not in gone]
            self.lost += gone
            self.ended |= {caller.call_id: "failed" for caller in gone}

    async def drain(self) -> None:
        async with self.cluster.client() as client:
            with contextlib.suppress(ApiError):  # it may be dead
                await client.drain(host=self.rng.choice(HOSTS))

    async def end_drain(self) -> None:
        async with self.cluster.client() as client:
            for host in HOSTS:
                with contextlib.suppress(ApiError):
                    await client.drain(on=False, host=host)

    async def redial(self) -> None:
        """Twice at once with one token: one of them goes on."""
        if not self.lost:
            return
        await self.end_drain()
        lost = self.lost.pop()
        both = await asyncio.gather(*(redialled(self.cluster, lost, 60) for _ in range(2)), return_exceptions=True)
        taken = [each for each in both if isinstance(each, Caller)]
        assert len(taken) == 1, both
        self.heirs[lost.call_id] += 1
        self.up += taken
        self.callers += taken

    async def settle(self) -> None:
        await self.end_drain()
        await self.cluster.all_ready()
        async with self.cluster.client() as client:
            for caller in self.up:
                record = await client.call(caller.call_id)
                assert record["status"] == "in-progress", "a call was taken from an owner that lives"
                assert not caller.over
            while self.up:
                await self.hang_up()
            async with asyncio.timeout(60):
                while wrong := [call for call in self.ended if not await self._is_ended(client, call)]:
                    self.done.append(f"waits for {len(wrong)}")
                    await asyncio.sleep(0.5)
                while set(self.ended) - set(told := self._told()):  # noqa: ASYNC110 - they come over HTTP
                    await asyncio.sleep(0.2)
        assert all(told[call] == 1 for call in self.ended), "an end was told twice"
        assert all(count == 1 for count in self.heirs.values())

    async def _is_ended(self, client, call: str) -> bool:
        record = await client.call(call)
        if record["status"] != self.ended[call]:
            return False
        assert record["status"] != "failed" or record["end_reason"] == "node_lost"
        return True

    def _told(self) -> Counter[str]:
        return Counter(each["call_id"] for each in self.cluster.hook.taken if each["type"] == "call.ended")


async def test_twenty_random_histories_of_real_hosts(cluster):
    kills = lost = 0
    for seed in range(HISTORIES):
        await cluster.all_ready()
        history = History(cluster, seed)
        try:
            for _ in range(STEPS):
                await history.step()
            await history.settle()
        except BaseException as fault:
            raise AssertionError(f"history {seed}, after {' '.join(history.done)}: {fault!r}") from fault
        finally:
            for caller in history.callers:
                await caller.leave()
        kills += history.kills
        lost += sum(status == "failed" for status in history.ended.values())
    print(f"{HISTORIES} histories, {kills} hosts killed, {lost} calls lost and told of")  # noqa: T201 - what it was
    assert kills > HISTORIES / 2
    assert lost > 0
