"""An operator listens in on a call, over real WebRTC: both sides are heard, and the call is none the worse."""

from __future__ import annotations

import asyncio

import aiohttp
import numpy as np
import pykka
import pytest

from openclaw_actors.actors.call import Call
from openclaw_actors.client import Client
from openclaw_actors.media import mulaw
from openclaw_actors.media.audience import wav_header
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import Calls
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from tests.calls.conftest import QUESTION, greeted, words


@pytest.fixture
async def host():
    settings = embedded_settings()
    agent = settings.agent.model_copy(update={"greeting": "Hello!"})
    async with running_host(settings.model_copy(update={"agent": agent, "calls": Calls(listen_in=True)})) as running:
        yield running


def sides(stream: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The caller and the agent of what a listener was sent: s16 at 16 kHz."""
    sound = stream[len(wav_header()) :]
    stereo = np.frombuffer(mulaw.decode(sound[: len(sound) // 2 * 2]), "<i2").reshape(-1, 2)
    return stereo[:, 0], stereo[:, 1]


def likeness(sound: np.ndarray, of: np.ndarray) -> float:
    """The highest normalised correlation of ``of`` with any part of ``sound``; 1: it is in there as it is."""
    size = 1 << (sound.size + of.size).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(of, size)), size)[: sound.size]
    energy = np.convolve(sound**2, np.ones(of.size))[of.size - 1 : of.size - 1 + sound.size]
    energy = np.pad(energy, (0, sound.size - energy.size), constant_values=np.inf)
    return float(np.max(product / np.sqrt(np.maximum(energy, 1e-9) * np.sum(of**2))))


def voiced_part(recording: bytes) -> np.ndarray:
    """What a caller heard (48 kHz), from the first sound to the last, at 16 kHz."""
    heard = np.frombuffer(recording, "<i2").astype(float)
    heard = heard[: heard.size // 3 * 3].reshape(-1, 3).mean(axis=1)
    loud = np.flatnonzero(np.abs(heard) > 500)
    return heard[loud[0] : loud[-1]]


async def test_a_listener_hears_the_words_of_both_sides(host, flite):
    question = flite(QUESTION, "slt")
    async with Caller(host.url) as caller, Client(host.url) as client, aiohttp.ClientSession(host.url) as http:
        await greeted(caller)
        before = len(caller.heard.recording()) // 2
        async with http.get(f"/v1/calls/{caller.call_id}/listen") as stream:
            reading = asyncio.create_task(stream.content.read())
            joined = await caller.wait_event("call.listener.joined")
            assert joined.data == {"listener": "local", "listeners": 1}
            await caller.ask(question)
            await caller.wait_silence()
            await client.say(caller.call_id, "Your order is on its way.")
            await caller.wait_event("call.transcript", lambda data: "way" in data["text"])
            await caller.wait(0.5)  # what is on its way to the listener
            answer = voiced_part(caller.heard.recording()[before * 2 :])
            await client.hangup(caller.call_id)
            left, right = sides(await asyncio.wait_for(reading, 10))

        recognised = await host.host.catalogue.serving("stt").transcribe(left.tobytes())
        assert set(words(QUESTION)) <= set(words(recognised.text))
        for start in (0, answer.size - SAMPLE_RATE // 2):  # a piece of each phrase: the pause between may differ
            piece = answer[start : start + SAMPLE_RATE // 2]
            assert likeness(right.astype(float), piece) > 0.8
            assert likeness(left.astype(float), piece) < 0.5, "the agent is on its own side alone"
        left_event = await caller.wait_event("call.listener.left")
        assert left_event.data["listeners"] == 0
        assert left_event.data["listened_ms"] > 3_000


async def test_nobody_s_sound_is_tapped_before_a_listener_comes_and_after_the_last_has_gone(host):
    async with Caller(host.url) as caller, aiohttp.ClientSession(host.url) as http:
        await greeted(caller)
        call = pykka.ActorRegistry.get_by_class(Call)[0]._actor_weakref()

        def is_tapped() -> bool:
            return call._listening in call._playout.taps.all

        assert not is_tapped()
        async with http.get(f"/v1/calls/{caller.call_id}/listen"):
            await caller.wait_event("call.listener.joined")
            assert is_tapped()
        await caller.wait_event("call.listener.left")
        assert not is_tapped()


async def test_a_listener_stays_with_a_caller_who_comes_back(host, flite):
    async with Caller(host.url) as caller, aiohttp.ClientSession(host.url) as http:
        await greeted(caller)
        async with http.get(f"/v1/calls/{caller.call_id}/listen") as stream:
            await caller.wait_event("call.listener.joined")
            async with Caller(host.url, resume=caller.resume_token) as again:
                assert again.call_id == caller.call_id
                reading = asyncio.create_task(stream.content.read())
                await again.ask(flite(QUESTION, "slt"))
                await again.hang_up()
                left, _ = sides(await asyncio.wait_for(reading, 10))
        recognised = await host.host.catalogue.serving("stt").transcribe(left.tobytes())
        assert "weather" in words(recognised.text)


async def test_a_listener_whose_sound_can_not_be_made_is_sent_away_and_the_call_goes_on(host, flite, monkeypatch):
    def broken(*_):
        raise RuntimeError("no sound")

    monkeypatch.setattr("openclaw_actors.media.audience.Audience.caller", broken)
    async with Caller(host.url) as caller, aiohttp.ClientSession(host.url) as http:
        await greeted(caller)
        async with http.get(f"/v1/calls/{caller.call_id}/listen") as stream:
            assert await asyncio.wait_for(stream.content.read(), 10) == wav_header()
        await caller.wait_event("call.listener.left")
        await caller.ask(flite(QUESTION, "slt"))
        assert caller.heard.longest_gap_s < 1.0
