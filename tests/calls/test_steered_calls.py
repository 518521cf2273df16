"""What a program does to a call is what its caller hears, over real WebRTC."""

from __future__ import annotations

import time

import numpy as np

from openclaw_actors.client import Client
from openclaw_actors.media.tones import GAP_S, KEY_S, KEYS
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.ear import HEARD_RATE
from tests.calls.conftest import QUESTION, greeted, words


def tail(caller: Caller, seconds: float) -> np.ndarray:
    """The last that the caller heard."""
    recording = np.frombuffer(caller.heard.recording(), "<i2").astype(float)
    return recording[-round(seconds * HEARD_RATE) :]


def share(sound: np.ndarray, hertz: tuple[float, ...]) -> float:
    """How much of the sound's power lies within 15 Hz of these frequencies."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    at = np.fft.rfftfreq(len(sound), 1 / HEARD_RATE)
    near = np.any([np.abs(at - each) < 15 for each in hertz], axis=0)
    return float(power[near].sum() / power.sum())


async def test_on_hold_the_caller_hears_music_and_is_not_heard_and_then_talks_on(host, flite):
    question = flite(QUESTION, "slt")
    async with Caller(host.url) as caller, Client(host.url) as client:
        await greeted(caller)
        await client.hold(caller.call_id)
        held_at = (await caller.wait_event("call.held")).arrived_at
        assert await caller.wait_voice(after=held_at) - held_at < 1.5, "the music sets in"
        await caller.say(question)
        await caller.wait(1.0)
        assert caller.words_of("user") == ""
        await client.resume(caller.call_id)
        await caller.wait_event("call.resumed")
        await caller.wait_silence(quiet_s=0.4)
        await caller.ask(question)
        heard = await caller.wait_event("call.transcript", lambda data: data["role"] == "user" and data["final"])
        assert words(heard.data["text"]) == words(QUESTION)


async def test_a_line_that_a_hold_broke_off_is_finished_after_it(host):
    async with Caller(host.url) as caller, Client(host.url) as client:
        await greeted(caller)
        line = "One two three four five six seven eight nine ten."
        said_at = time.monotonic()
        await client.say(caller.call_id, line)
        await caller.wait_voice(after=said_at)
        await caller.wait(0.5)
        await client.hold(caller.call_id, "tone")
        await caller.wait_event("call.held")
        await caller.wait(1.0)
        assert "ten" not in words(caller.words_of("agent"))
        await client.resume(caller.call_id)
        await caller.wait_event("call.transcript", lambda data: "ten" in words(data["text"]))
        assert words(caller.words_of("agent"))[-10:] == words(line)
        assert not any(spoken.cut for spoken in caller.transcript)


async def test_keys_are_heard_as_tones(host):
    async with Caller(host.url) as caller, Client(host.url) as client:
        await greeted(caller)
        await client.send_dtmf(caller.call_id, "555")
        await caller.wait_event("call.dtmf")
        await caller.wait(0.2)
        sound = tail(caller, 3 * (KEY_S + GAP_S) + 0.4)
        assert share(sound, tuple(map(float, KEYS["5"]))) > 0.8
