"""Hosts share a recogniser and a voice, actors of real Ray with the tiny Whisper: batches, deaths, ends."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import wave
from pathlib import Path

import psutil
import pytest

from openclaw_actors.cluster.engine_maker import shared_engines
from openclaw_actors.settings.sections import Cluster, FasterWhisper, Settings, Stt
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.speakers import read_wav, silence
from tests.calls.conftest import greeted, words
from tests.cluster.ray_here import ray_here

pytestmark = pytest.mark.cluster

SPEECH = Path(__file__).parents[1] / "data" / "speech"
WHISPER = FasterWhisper(
    model=str(Path(__file__).parents[1] / "data" / "mini-whisper"), device="cpu", trim_context=True, batch=8
)


@pytest.fixture(scope="module")
def ray_up():
    with ray_here(cpus=4):
        yield


def settings(actors: int = 1, **more) -> Settings:
    embedded = embedded_settings()
    return embedded.model_copy(
        update={
            "stt": Stt(engines=("faster-whisper",), faster_whisper=WHISPER),
            "agent": embedded.agent.model_copy(update={"greeting": "Hello!"}),
            "cluster": Cluster(engine="ray", engines=actors, shared=("faster-whisper", "espeak-ng"), **more),
        }
    )


def recogniser(settings: Settings, host: str):
    return shared_engines(settings, host)("stt", "faster-whisper", settings)


def said(name: str) -> bytes:
    with wave.open(str(SPEECH / f"{name}.wav")) as file:
        return file.readframes(file.getnframes())


async def report(engine) -> dict[str, float]:
    return await engine._pool.members[0].actor._handle.report.remote()


async def test_what_callers_of_two_hosts_say_at_once_is_heard_together_by_one_actor(ray_up):
    both = [recogniser(settings(), host) for host in ("left", "right")]
    try:
        for engine in both:
            await engine.open()
        assert len({engine._pool.facts.pid for engine in both}) == 1
        assert both[0]._pool.facts.pid != os.getpid()
        names = sorted(path.stem for path in SPEECH.glob("*.wav"))
        before = await report(both[0])
        asking = [engine.transcribe(said(name)) for engine in both for name in names]
        heard = [transcript.text for transcript in await asyncio.gather(*asking)]
        assert heard == 2 * [name.replace("-", " ") for name in names]
        after = await report(both[0])
        jobs, batches = (after[each] - before[each] for each in ("jobs", "batches"))
        assert jobs == 2 * len(names)
        assert jobs / batches > 1.5, "what waited was done together"
        assert both[1].partial_every_s > 0
    finally:
        for engine in both:
            await engine.aclose()


async def test_an_actor_killed_while_the_caller_speaks_costs_no_word_and_no_call(ray_up):
    async with running_host(settings(), shared_engines(settings(), "left")) as running, Caller(running.url) as caller:
        await greeted(caller)
        engine = running.host.catalogue.serving("stt")
        killed = engine._pool.facts.pid
        caller.start_saying(silence(0.2).then(read_wav(SPEECH / "set-a-timer-for-five-minutes.wav")))
        await caller.wait_event("call.speech.started")
        os.kill(killed, signal.SIGKILL)
        final = await caller.wait_event(
            "call.transcript", lambda data: data["role"] == "user" and data["final"], timeout_s=30
        )
        assert words(final.data["text"]) == words("set a timer for five minutes")
        engine._pool.members[0].doubted.set()
        async with asyncio.timeout(20):
            while engine._pool.facts.pid == killed:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.1)
        assert not [event for event in caller.events if event.type == "call.ended"]


async def test_a_voice_that_hosts_share_speaks_as_their_own_does(ray_up):
    own = embedded_settings()
    alone = shared_engines(own, "left")("tts", "espeak-ng", own)
    shared = shared_engines(settings(), "left")("tts", "espeak-ng", settings())
    try:
        sounds, rate = [], alone.sample_rate
        for engine in (alone, shared):
            await engine.open()
            sounds.append([piece async for piece in engine.speak("One, two, three.")])
        seconds = [sum(len(piece) for piece in sound if isinstance(piece, bytes)) / 2 / rate for sound in sounds]
        assert seconds[0] > 0.5
        assert seconds[1] == pytest.approx(seconds[0], abs=0.05)
        assert shared.sample_rate == alone.sample_rate
        assert alone.cache_key() in shared.cache_key()
    finally:
        await alone.aclose()
        await shared.aclose()


async def test_an_actor_that_no_host_wants_any_more_ends(ray_up, monkeypatch):
    monkeypatch.setattr("openclaw_actors.cluster.engine_ray.LEASE_S", 2.0)
    changed = settings().model_copy(
        update={"stt": Stt(engines=("faster-whisper",), faster_whisper=WHISPER.model_copy(update={"batch": 2}))}
    )
    engine = recogniser(changed, "left")
    await engine.open()
    pid = engine._pool.facts.pid
    await engine.aclose()
    until = time.monotonic() + 30
    while psutil.pid_exists(pid):
        assert time.monotonic() < until, "it goes on"
        await asyncio.sleep(0.1)
