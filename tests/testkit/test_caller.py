"""The scripted caller tells the truth: held against a host whose every delay is known."""

from __future__ import annotations

import asyncio
import threading
from math import inf

import pytest

from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import silence, tone
from openclaw_actors.testkit.waiting import CallEndedError
from tests.testkit.clockwork_host import ClockworkHost

# One packet (20 ms) at each side of the answer, and a loop that both ends and the machine's other work share.
SLACK_S = 0.12


async def test_a_turns_latency_is_the_hosts_delay_and_little_more():
    async with ClockworkHost(answer_s=0.4) as host, Caller(host.url) as caller:
        answer = await caller.ask(tone(0.6))
        assert 0.38 <= answer.latency_s <= 0.4 + SLACK_S
        assert 0.5 <= answer.utterance.ended_at - answer.utterance.began_at <= 0.6 + SLACK_S


async def test_silence_before_and_after_the_voice_is_no_part_of_the_utterance():
    async with ClockworkHost(answer_s=0.3) as host, Caller(host.url) as caller:
        answer = await caller.ask(silence(0.3).then(tone(0.4), silence(0.5)))
        # The host answers while the caller's file still plays its trailing silence.
        assert 0.28 <= answer.latency_s <= 0.3 + SLACK_S


async def test_an_interruptions_latency_runs_from_our_onset_to_the_last_sound():
    async with ClockworkHost(answer_s=0.1, hush_s=0.2) as host, Caller(host.url) as caller:
        await caller.ask(tone(0.3))
        interruption = await caller.talk_over(tone(0.8))
        assert 0.15 <= interruption.latency_s <= 0.2 + SLACK_S


async def test_the_whole_answer_is_heard_and_can_be_recorded():
    async with ClockworkHost(answer_s=0.1) as host, Caller(host.url) as caller:
        answer = await caller.ask(tone(0.3))
        silent_at = await caller.wait_silence()
        assert 0.9 <= silent_at - answer.heard_at <= 1.0 + SLACK_S
        seconds = len(caller.heard.recording()) / 2 / 48_000
        assert seconds == pytest.approx(caller.heard.packets * 0.02, abs=0.1)
        assert caller.heard.lost_packets == 0


async def test_a_pcmu_caller_measures_the_same():
    async with ClockworkHost(answer_s=0.3) as host, Caller(host.url, codec="pcmu") as caller:
        answer = await caller.ask(tone(0.4))
        assert 0.28 <= answer.latency_s <= 0.3 + SLACK_S


@pytest.mark.parametrize("codec", ["opus", "pcmu"])
async def test_a_caller_on_the_short_way_measures_the_same(codec):
    async with (
        ClockworkHost(answer_s=0.3, hush_s=0.2) as host,
        Caller(host.url, codec=codec, keep_audio=False, direct=True) as caller,
    ):
        answer = await caller.ask(tone(0.4))
        assert 0.28 <= answer.latency_s <= 0.3 + SLACK_S
        interruption = await caller.talk_over(tone(0.8))
        assert 0.15 <= interruption.latency_s <= 0.2 + SLACK_S
        assert caller.heard.lost_packets == 0
        assert caller.heard.packets > 20


async def test_token_name_and_resume_reach_the_host_and_commands_its_channel():
    async with ClockworkHost() as host:
        async with Caller(host.url, token="sesame", name="Ada", resume="r0") as caller:
            event = await caller.wait_event("call.answered")
            assert event.raw["type"] == "call.answered"
            caller.send("text", text="Hello")
            line = next(iter(host.lines.values()))
            assert await asyncio.wait_for(line.commands.get(), 5) == {"type": "text", "text": "Hello"}
        assert host.authorization == "Bearer sesame"
        assert (host.bodies[0]["metadata"], host.bodies[0]["resume"]) == ({"name": "Ada"}, "r0")
        assert (caller.call_id, caller.resume_token) == ("c1", "r1")


async def test_a_refusal_says_what_the_host_said():
    async with ClockworkHost(refuse=503) as host:
        with pytest.raises(CallRefusedError, match="503: All lines are busy") as refusal:
            await Caller(host.url).__aenter__()
        assert refusal.value.problem["code"] == "full"


async def test_waiting_for_a_host_that_hung_up_fails_at_once_and_not_by_timeout():
    async with ClockworkHost() as host, Caller(host.url) as caller:
        speaking = caller.start_saying(tone(30))
        waiting = asyncio.create_task(caller.wait_event("never", timeout_s=60))
        await next(iter(host.lines.values())).pc.close()
        with pytest.raises(CallEndedError, match="is over"):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(CallEndedError):
            await speaking.done
        assert caller.over


async def test_a_timeout_tells_what_was_heard_instead():
    async with ClockworkHost() as host, Caller(host.url) as caller:
        with pytest.raises(TimeoutError, match=r"no voice within 0.2 s \(heard \d+ packets .*, 0 onsets"):
            await caller.wait_voice(0.2)
        assert await caller.wait_silence() == -inf


async def test_hanging_up_tells_the_host_once_and_leaves_nothing_behind():
    before = (threading.active_count(), len(asyncio.all_tasks()))
    async with ClockworkHost() as host:
        async with calls(host.url, 3) as callers:
            assert len(host.lines) == 3
            assert await callers[0].hang_up() == 200
            assert await callers[0].hang_up() == 0
        assert not host.lines
    assert (threading.active_count(), len(asyncio.all_tasks())) == before


async def test_the_caller_reports_its_own_lag():
    async with ClockworkHost() as host, Caller(host.url) as caller:
        await caller.say(silence(0.5))
        assert len(caller.mouth.pacing.lags) >= 25
        assert 0 <= caller.mouth.pacing.p99() < 0.2
