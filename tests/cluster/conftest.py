"""One cluster of two hosts on this machine, started as an operator starts it, for all tests of this folder.

They run one after another (``-m cluster``), and in one event loop: what they talk to lives as long as the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio

from openclaw_actors.client import Client
from openclaw_actors.errors import OpenclawActorsError
from openclaw_actors.names import host_of_call
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.providers.carrier.account import NUMBER, PUBLIC_URL
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from openclaw_actors.testkit.signalling import CallRefusedError
from tests.webhooks.conftest import SECRET, Receiver, receiving

TOKEN = "a-token-of-the-operator"
PERSON = "+15550100001"
HOSTS = ("w1", "w2")
CONFIG = """
[server]
port = 0
public_url = "{public_url}"
max_calls = 8
[auth]
tokens = ["{token}"]
[supervision]
stt_final_s = 15
first_audio_s = 10
[limits]
setup_timeout_s = 30
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["openai"]
greeting = "Hello."
[agent.openai]
base_url = "{agent}"
model = "stub"
[tts]
engines = ["espeak-ng"]
[calls]
listen_in = true
[numbers]
inbound_policy = "open"
[twilio]
account_sid = "{account_sid}"
auth_token = "{auth_token}"
from_number = "{number}"
api_base_url = "{api_base_url}"
[store]
url = "sqlite:///{folder}/calls.db"
[webhooks]
urls = ["{hook}"]
secret = "{secret}"
allow_private = true
[cluster]
workers = 2
"""


@dataclass
class Cluster:
    """The cluster, and what its hosts talk to."""

    process: HostProcess
    agent: OpenAiStub
    twilio: FakeTwilio
    hook: Receiver

    @property
    def url(self) -> str:
        """Of its front."""
        return self.process.url

    def client(self) -> Client:
        return Client(self.url, TOKEN, timeout_s=30)

    def caller(self, **options: Any) -> Caller:
        return Caller(self.url, TOKEN, keep_audio=False, **options)

    async def _is_open(self) -> bool:
        """Whether the front knows of all hosts that they take calls."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/readyz") as response:
            return (await response.json())["hosts"]["open"] == len(HOSTS)

    async def pid(self, host: str) -> int:
        """The process of a host, as it was last started."""
        async with asyncio.timeout(60):
            while True:
                found = re.findall(
                    rf'"host": "{host}".*"pid": (\d+)|"pid": (\d+).*"host": "{host}"', self.process.log()
                )
                alive = [pid for pid in (int(one or other) for one, other in found) if psutil.pid_exists(pid)]
                if alive:
                    return alive[-1]
                await asyncio.sleep(0.2)

    async def kill(self, host: str) -> None:
        """As the kernel does when memory is short."""
        os.kill(await self.pid(host), signal.SIGKILL)

    async def all_ready(self, timeout_s: float = 90.0) -> list[dict[str, Any]]:
        """The nodes, once all take calls."""
        async with self.client() as client, asyncio.timeout(timeout_s):
            while True:
                with contextlib.suppress(OpenclawActorsError):
                    nodes = await client.nodes()
                    if len(nodes) == len(HOSTS) and all(node["ready"] for node in nodes) and await self._is_open():
                        return nodes
                await asyncio.sleep(0.3)

    async def live_call(self, client: Client, transport: str, resumed_from: str = "") -> dict[str, Any]:
        """The one call of this transport that is up, once it is on record."""
        async with asyncio.timeout(40):
            while True:
                calls = (await client.calls(transport=transport, status="in-progress"))["calls"]
                found = [each for each in calls if each["resumed_from"] == resumed_from]
                if found:
                    return found[0]
                await asyncio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def calls_on_each(self, at_least: int = 1) -> AsyncIterator[dict[str, list[Caller]]]:
        """Callers, by their host, so many on each."""
        found: dict[str, list[Caller]] = {host: [] for host in HOSTS}
        async with contextlib.AsyncExitStack() as stack:
            while any(len(callers) < at_least for callers in found.values()):
                caller = await stack.enter_async_context(self.caller())
                found[host_of_call(caller.call_id)].append(caller)
            yield found


async def asked(caller: Caller, agent: OpenAiStub, text: str) -> list[dict[str, str]]:
    """Say ``text`` as a line, hear the answer; what the agent's model was given."""
    before = len(agent.of("chat"))
    seen = len([line for line in caller.transcript if line.role == "agent"])
    caller.send("text", text=text)
    async with asyncio.timeout(30):
        while True:
            requests = [each for each in agent.of("chat")[before:] if text in str(each.body["messages"])]
            lines = [line for line in caller.transcript if line.role == "agent"]
            if requests and len(lines) > seen:
                return requests[0].body["messages"]
            await asyncio.sleep(0.05)


async def redialled(cluster: Cluster, lost: Caller, timeout_s: float = 30.0) -> Caller:
    """What a page does when its host is gone: it offers again, with its resume token, until it is taken."""
    async with asyncio.timeout(timeout_s):
        while True:
            caller = cluster.caller(resume=lost.resume_token)
            try:
                await caller.dial(timeout_s)
            except CallRefusedError as refusal:
                await caller.leave()
                if refusal.status not in {502, 503}:
                    raise
                await asyncio.sleep(0.5)
            else:
                return caller


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk that syncs for a second is another test's
    folder = tempfile.mkdtemp(prefix="occluster-", dir=memory)
    async with OpenAiStub() as agent, FakeTwilio() as twilio, receiving() as hook:
        config = CONFIG.format(
            public_url=PUBLIC_URL, token=TOKEN, agent=agent.base_url, folder=folder, number=NUMBER,
            account_sid=twilio.account_sid, auth_token=twilio.auth_token, api_base_url=twilio.api_base_url,
            hook=hook.url, secret=SECRET,
        )  # fmt: skip
        process = HostProcess(config, start_timeout_s=150)
        async with process:
            twilio.exchange.reach = process.url
            children = psutil.Process(process.pid).children(recursive=True)
            try:
                yield Cluster(process, agent, twilio, hook)
            finally:
                children += psutil.Process(process.pid).children(recursive=True)
                await process.stop(timeout_s=60)
        _, left = psutil.wait_procs(children, timeout=20)
        for each in left:
            each.kill()
        shutil.rmtree(folder, ignore_errors=True)
        assert not left, "nothing of Ray is left behind"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here that start a cluster run in the step of their own."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("nodes"):
            item.add_marker("cluster")
