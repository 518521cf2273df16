"""A whole call that Whisper hears, over real WebRTC: the tiny model of tests/data, on words that it knows."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from openclaw_actors.settings.sections import FasterWhisper
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.speakers import read_wav, silence
from tests.calls.conftest import greeted, words

DATA = Path(__file__).parents[1] / "data"
WHISPER = FasterWhisper(model=str(DATA / "mini-whisper"), device="cpu", trim_context=True)


@pytest.fixture
async def host():
    settings = embedded_settings()
    stt = settings.stt.model_copy(update={"engines": ("faster-whisper",), "faster_whisper": WHISPER})
    agent = settings.agent.model_copy(update={"greeting": "Hello!"})
    async with running_host(settings.model_copy(update={"stt": stt, "agent": agent})) as running:
        yield running


def said(name):
    return silence(0.2).then(read_wav(DATA / "speech" / f"{name}.wav"))


async def test_words_are_seen_while_they_are_spoken_and_understood_when_they_have_been(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        await caller.ask(said("what-is-the-weather-like-today"))
        lines = [event for event in caller.events if event.type == "call.transcript" and event.data["role"] == "user"]
    partials = [event.data for event in lines if not event.data["final"]]
    (final,) = [event.data for event in lines if event.data["final"]]
    assert words(final["text"]) == words("what is the weather like today")
    assert partials
    assert all(partial["text"].startswith(partial["agreed"]) for partial in partials)
    assert {partial["utterance"] for partial in partials} == {final["utterance"]}


async def test_a_recogniser_killed_while_the_caller_speaks_costs_no_word(host):
    async with Caller(host.url) as caller:
        await greeted(caller)
        (worker,) = host.host.catalogue.serving("stt")._pool.pids
        utterance = caller.start_saying(said("set-a-timer-for-five-minutes"))
        await caller.wait_event("call.speech.started")
        psutil.Process(worker).kill()
        final = await caller.wait_event(
            "call.transcript", lambda data: data["role"] == "user" and data["final"], timeout_s=20
        )
    assert words(final.data["text"]) == words("set a timer for five minutes")
    assert final.arrived_at > utterance.began_at
