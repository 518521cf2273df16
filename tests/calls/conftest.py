"""A whole host in this process, with the embedded engines."""

from __future__ import annotations

import re

import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host

GREETING = "Hello! How can I help you today?"
QUESTION = "What is the weather like in Paris today?"
"""flite speaks it without a pause. One of 190 ms, as after "Hello,", may or may not be an end of turn."""


@pytest.fixture
async def host():
    """It greets with one word, so that a test need not listen for long."""
    settings = embedded_settings()
    short = settings.agent.model_copy(update={"greeting": "Hello!"})
    async with running_host(settings.model_copy(update={"agent": short})) as running:
        yield running


@pytest.fixture
async def greeting_host():
    """It says all of GREETING, 2.3 s in espeak-ng's voice."""
    async with running_host() as running:
        yield running


async def greeted(caller: Caller) -> None:
    """The greeting has been spoken to its end."""
    await caller.wait_voice()
    await caller.wait_silence(quiet_s=0.4)


def words(text: str) -> list[str]:
    """Its words, in lower case."""
    return re.findall(r"[a-z]+", text.lower())
