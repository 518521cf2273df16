"""A whole host that records, whose recogniser hears nothing in sounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openclaw_actors.client import CallRecord, Client
from openclaw_actors.settings.sections import Calls, OpenAiStt, Recordings, Settings, Stt, Turns
from openclaw_actors.testkit.host import RunningHost, embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan


@pytest.fixture
async def stub() -> AsyncIterator[OpenAiStub]:
    async with OpenAiStub(StubPlan(transcript="")) as stub:
        yield stub


def recording_settings(stub: OpenAiStub, greeting: str = "", **changes: Any) -> Settings:
    """Every call is recorded; nobody is broken off; the agent begins with ``greeting``."""
    ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
    settings = embedded_settings()
    agent = settings.agent.model_copy(update={"greeting": greeting})
    sections = {"stt": ears, "agent": agent, "turns": Turns(barge_in=False), "calls": Calls(recording=True)}
    return settings.model_copy(update={**sections, "recordings": Recordings(keep_free_bytes=0), **changes})


@asynccontextmanager
async def recording_host(stub: OpenAiStub, greeting: str = "", **changes: Any) -> AsyncIterator[RunningHost]:
    async with running_host(recording_settings(stub, greeting, **changes)) as host:
        yield host


async def fetched(host: RunningHost, call_id: str, folder: Path, part: int = 1) -> tuple[Path, CallRecord]:
    """The file of a recording of a call that is over, as the API gives it, and the call's record."""
    async with asyncio.timeout(10):
        await host.host.places.idle.wait()
    await host.host.store.settle()
    async with Client(host.url) as client:
        call = await client.call(call_id)
        form = call["recordings"][part - 1]["format"]
        path = folder / f"{call_id}.{part}.{'wav' if form == 'wav' else 'ogg'}"
        path.write_bytes(b"".join([chunk async for chunk in client.recording(call_id, part)]))
    return path, call
