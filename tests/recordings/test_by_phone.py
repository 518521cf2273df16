"""A call by phone: what the carrier has played is recorded, where it was heard, and no PIN is."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
import pytest_asyncio

from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import Calls, Numbers, OpenAiStt, Recordings, Stt, Turns
from openclaw_actors.testkit.ear import HEARD_RATE
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.speakers import Speech
from tests.phone.conftest import PERSON, PhoneHost, fresh, phone_host
from tests.recordings.chirps import EVERY_S, chirp, gaps, loudness, places, sides, train, wav

STEP = round(EVERY_S * SAMPLE_RATE)
OURS = {"low": 2600.0, "high": 700.0}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_host():
    """It records every call, and its recogniser hears nothing in sounds."""
    async with OpenAiStub(StubPlan(transcript="")) as stub:
        ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
        sections = {"stt": ears, "turns": Turns(barge_in=False), "calls": Calls(recording=True)}
        async with phone_host(**sections, recordings=Recordings(keep_free_bytes=0)) as host:
            yield host


@pytest_asyncio.fixture(loop_scope="module")
async def recorded_phone(one_host):
    async with fresh(one_host) as host:
        yield host


async def fetched(host: PhoneHost, call_id: str, folder):
    await host.until_told("call.ended", call_id)
    path = folder / f"{call_id}.ogg"
    path.write_bytes(b"".join([chunk async for chunk in host.client.recording(call_id)]))
    return sides(path)


async def test_both_sides_are_as_far_apart_as_at_the_carrier(recorded_phone, tmp_path):
    mine = Speech(train(7))
    _ = mine.pcmu_packets
    async with recorded_phone.calls_in() as line:
        call_id = (await recorded_phone.until_told("call.recording.started")).call_id
        await line.wait_voice()
        await line.wait_silence(quiet_s=0.4)
        played_at = time.monotonic()
        await recorded_phone.client.play(call_id, wav(train(8, **OURS)))
        await line.wait_voice(after=played_at)
        utterance = await line.say(mine)
        await line.wait_silence()
        await line.wait(0.6)
    left, right = await fetched(recorded_phone, call_id, tmp_path)
    said, heard = places(left, chirp()), places(right, chirp(**OURS))
    assert (len(said), len(heard)) == (7, 8)
    assert sum(abs(gap - STEP) > 2 for gap in gaps(said)) <= 1
    assert sum(abs(gap - STEP) > 2 for gap in gaps(heard)) <= 1, "but for a stall of this machine"
    sound = np.frombuffer(line.heard.recording(), "<i2").astype(float)
    first = places(sound, chirp(HEARD_RATE, **OURS))[0]
    frame = max((each for each in line.heard.frames if each.at <= first), key=lambda each: each.at)
    heard_at = frame.arrived_at + (first - frame.at) / HEARD_RATE
    apart = (said[0] - heard[0]) / SAMPLE_RATE - (utterance.began_at - 0.02 - heard_at)
    assert abs(apart) < 0.06


async def test_what_was_thrown_away_at_the_carrier_was_not_heard(recorded_phone, tmp_path):
    async with recorded_phone.calls_in() as line:
        call_id = (await recorded_phone.until_told("call.recording.started")).call_id
        await line.wait_voice()
        await line.wait_silence(quiet_s=0.4)
        played_at = time.monotonic()
        await recorded_phone.client.play(call_id, wav(train(12, **OURS)))
        await line.wait_voice(after=played_at)
        await line.wait(2.2)
        await recorded_phone.client.interrupt(call_id)
        await line.wait_clear(after=played_at)
        await line.wait(1.0)
        sound = np.frombuffer(line.heard.recording(), "<i2").astype(float)
    _, right = await fetched(recorded_phone, call_id, tmp_path)
    heard, recorded = places(sound, chirp(HEARD_RATE, **OURS)), places(right, chirp(**OURS))
    assert len(heard) < 8
    assert 0 <= len(heard) - len(recorded) <= 1, "at most the 200 ms since the last mark are not known"


async def test_a_pin_is_on_no_recording(tmp_path):
    async with OpenAiStub(StubPlan(transcript="")) as stub:
        ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
        changes = {"stt": ears, "calls": Calls(recording=True), "recordings": Recordings(keep_free_bytes=0)}
        async with phone_host(numbers=Numbers(allow_from=(PERSON,), pin="1234"), **changes) as host:
            async with host.calls_in() as line:
                call_id = (await host.until_told("call.recording.started")).call_id
                await line.wait_voice()
                await line.wait_silence(quiet_s=0.4)
                await line.say(Speech(train(2)))
                opened_at = time.monotonic()
                await line.press("1234#")
                assert (await host.until_told("call.pin")).data["accepted"]
                await line.wait_voice(after=opened_at)
                await line.wait_silence(quiet_s=0.4)
                await line.say(Speech(train(2)))
                await asyncio.sleep(0.5)
            left, right = await fetched(host, call_id, tmp_path)
    found = places(left, chirp())
    assert len(found) == 2, "what was said to the door is not there, what was said behind it is"
    first = np.flatnonzero(left)[0]
    assert first > 2 * SAMPLE_RATE
    assert not right[: first - SAMPLE_RATE * 2].any()
    assert loudness(right) > 20, "the greeting behind the door is there"
