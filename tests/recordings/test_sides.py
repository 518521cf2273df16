"""What is recorded is what both sides heard and said, each sample in its place, whatever happens to the stages."""

from __future__ import annotations

import asyncio

import numpy as np

from openclaw_actors.client import Client
from openclaw_actors.messages import SAMPLE_RATE, START_ORDER
from openclaw_actors.settings.sections import Recordings
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.ear import HEARD_RATE
from openclaw_actors.testkit.speakers import Speech
from tests.calls.test_killed_stages import killed_and_back
from tests.recordings.chirps import EVERY_S, chirp, gaps, places, sides, train, wav
from tests.recordings.conftest import fetched, recording_host

STEP = round(EVERY_S * SAMPLE_RATE)
OURS = {"low": 2600.0, "high": 700.0}
"""The agent's chirps sweep down, the caller's up."""


def chirps(count: int) -> Speech:
    """What the caller says, encoded beforehand: it would hold the loop of both for a quarter of a second."""
    speech = Speech(train(count))
    _ = speech.packets
    return speech


def assert_in_step(mine: list[int], said: int) -> None:
    """The caller's chirps lie as they were said, to the sample; one may be lost where the whole process stood still."""
    assert said - 1 <= len(mine) <= said
    assert all(min(gap % STEP, -gap % STEP) <= 1 for gap in gaps(mine)), gaps(mine)


def assert_as_heard(recorded: list[int], heard: list[int]) -> None:
    """Our chirps lie on the recording as they lay in the caller's ear, to the sample.

    A stall of the whole loop, as a machine with other things to do has them, is a pause in our voice or makes it late:
    how long that was, the recording knows to some milliseconds.
    """
    off = [abs(ours - theirs / 3) for ours, theirs in zip(gaps(recorded), gaps(heard), strict=True)]
    assert max(off) < SAMPLE_RATE * 0.05, off
    assert sum(each > 2 for each in off) <= 2, off


async def test_both_sides_are_there_and_do_not_slip_by_a_sample(stub, tmp_path):
    mine_said = chirps(7)
    async with recording_host(stub, recordings=Recordings(format="wav", keep_free_bytes=0)) as host:
        async with Caller(host.url) as caller, Client(host.url) as client:
            await caller.wait_event("call.recording.started")
            await client.play(caller.call_id, wav(train(8, **OURS)))
            await caller.wait_voice()
            utterance = await caller.say(mine_said)
            await caller.wait_silence()
            heard = np.frombuffer(caller.heard.recording(), "<i2").astype(float)
            frames = caller.heard.frames
            said_at = utterance.began_at
        path, call = await fetched(host, caller.call_id, tmp_path)
    left, right = sides(path)
    mine, ours = places(left, chirp()), places(right, chirp(**OURS))
    assert_in_step(mine, 7)
    assert len(ours) == 8
    assert_as_heard(ours, places(heard, chirp(HEARD_RATE, **OURS)))
    assert call["recordings"][0] | {"bytes": 0, "duration_ms": 0, "started_at": ""} == {
        "part": 1, "state": "ready", "format": "wav", "started_at": "", "duration_ms": 0, "bytes": 0,
        "end_reason": "call_ended",
    }  # fmt: skip
    assert call["recordings"][0]["bytes"] == path.stat().st_size
    # As far apart as the caller had them, but for what the network and the jitter buffer took.
    first = places(heard, chirp(HEARD_RATE, **OURS))[0]
    frame = max((each for each in frames if each.at <= first), key=lambda each: each.at)
    heard_at = frame.arrived_at + (first - frame.at) / HEARD_RATE
    apart = (mine[0] - ours[0]) / SAMPLE_RATE - (said_at - 0.02 - heard_at)
    assert abs(apart) < 0.05


async def test_no_stage_that_is_killed_leaves_a_hole(stub, tmp_path):
    mine_said = chirps(9)
    async with recording_host(stub) as host:
        async with Caller(host.url) as caller, Client(host.url) as client:
            await caller.wait_event("call.recording.started")
            await client.play(caller.call_id, wav(train(10, **OURS)))
            await caller.wait_voice()
            saying = asyncio.create_task(caller.say(mine_said))
            for stage in START_ORDER:
                caller.events.clear()
                await killed_and_back(caller, stage)
                await caller.wait(0.6)
            await saying
            await caller.wait_silence()
            heard = np.frombuffer(caller.heard.recording(), "<i2").astype(float)
        path, call = await fetched(host, caller.call_id, tmp_path)
    left, right = sides(path)
    mine, ours = places(left, chirp()), places(right, chirp(**OURS))
    assert_in_step(mine, 9)
    assert len(ours) == 10
    assert_as_heard(ours, places(heard, chirp(HEARD_RATE, **OURS)))
    assert call["restarts"] == dict.fromkeys(START_ORDER, 1)
