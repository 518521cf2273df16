"""All hosts are started anew while calls come and go: none fails by it."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from tests.cluster.conftest import HOSTS, TOKEN, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_rolling_restart_under_load_fails_no_call(cluster):
    before = {node["name"]: node["started_at"] for node in await cluster.all_ready()}
    over = asyncio.Event()
    made: list[str] = []

    async def keep_calling() -> None:
        while not over.is_set():
            async with cluster.caller() as caller:
                await asked(caller, cluster.agent, "are you there")
                await caller.wait(1)
                assert not caller.over, "nobody was hung up on"
                made.append(caller.call_id)

    load = [asyncio.create_task(keep_calling()) for _ in range(3)]
    restart = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "openclaw_actors", "nodes", "--url", cluster.url, "--token", TOKEN, "restart",
        stderr=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    _, said = await asyncio.wait_for(restart.communicate(), 100)
    assert restart.returncode == 0, said
    over.set()
    await asyncio.gather(*load)
    after = {node["name"]: node["started_at"] for node in await cluster.all_ready()}
    assert after.keys() == before.keys() == set(HOSTS)
    assert all(after[host] > before[host] for host in HOSTS)
    async with cluster.client() as client:
        for call_id in made:
            assert (await client.call(call_id))["status"] == "completed"
    assert len(made) >= 3
