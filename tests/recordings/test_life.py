"""When a call is recorded and when not: starts and stops, the notice, secrets, full disks, kills, and for how long."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from openclaw_actors.actors import recording as recording_module
from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.client import ApiError, Client
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import Calls, Recordings
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from tests.recordings.chirps import chirp, loudness, places, sides, train, wav
from tests.recordings.conftest import fetched, recording_host
from tests.recordings.test_sides import OURS, chirps

ON_REQUEST = Calls(recording=False)


def at(sound, start_s: float, end_s: float):
    return sound[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]


async def test_each_start_begins_a_part_and_nothing_is_kept_of_what_lies_between(stub, tmp_path):
    said = [chirps(2), chirps(3), chirps(1)]
    async with recording_host(stub, calls=ON_REQUEST) as host:
        async with Caller(host.url) as caller, Client(host.url) as client:
            await client.record_start(caller.call_id)
            await caller.wait_event("call.recording.started")
            await client.record_start(caller.call_id)
            await caller.wait(0.1)  # what arrives in the first 20 ms began before the part did
            await caller.say(said[0])
            await caller.wait(1.0)
            assert (await client.call(caller.call_id))["recording"]
            with pytest.raises(ApiError, match="still_recording"):
                await anext(client.recording(caller.call_id))
            await client.record_stop(caller.call_id)
            stopped = await caller.wait_event("call.recording.stopped")
            assert (stopped.data["part"], stopped.data["reason"], stopped.data["state"]) == (1, "api", "ready")
            await caller.say(said[1])
            await client.record_stop(caller.call_id)
            await client.record_start(caller.call_id)
            await caller.wait_event("call.recording.started", lambda data: data["part"] == 2)
            await caller.wait(0.1)
            await caller.say(said[2])
            await caller.wait(1.0)
        first, call = await fetched(host, caller.call_id, tmp_path)
        second, _ = await fetched(host, caller.call_id, tmp_path, part=2)
    assert [len(places(sides(path)[0], chirp())) for path in (first, second)] == [2, 1]
    assert [(part["part"], part["end_reason"]) for part in call["recordings"]] == [(1, "api"), (2, "call_ended")]
    told = [event for event in caller.events if event.type.startswith("call.recording.")]
    for event in told:
        EVENT_TYPES[event.type].data.model_validate(event.data)
    assert [event.type.rpartition(".")[2] for event in told][:3] == ["started", "stopped", "started"]


async def test_nothing_is_recorded_before_the_notice_was_heard_to_its_end(stub, tmp_path):
    over_it = chirps(1)
    notice = "This call is recorded."
    async with recording_host(stub, "Welcome!", recordings=Recordings(notice=notice, keep_free_bytes=0)) as host:
        async with Caller(host.url) as caller:
            caller.start_saying(over_it)  # nobody can talk the notice away
            started = await caller.wait_event("call.recording.started")
            lines = [event for event in caller.events if event.type == "call.transcript" and event.data["final"]]
            assert [line.data["text"] for line in lines] == [notice]
            assert lines[0].arrived_at <= started.arrived_at
            await caller.wait_event("call.transcript", lambda data: data["text"] == "Welcome!")
            await caller.wait(0.5)
        path, call = await fetched(host, caller.call_id, tmp_path)
    left, right = sides(path)
    assert not places(left, chirp())
    assert loudness(right) > 100
    spoken_s = sum(loudness(at(right, k / 50, (k + 1) / 50)) > 200 for k in range(len(right) * 50 // SAMPLE_RATE)) / 50
    assert spoken_s < 1.0, "the greeting alone, and not the notice of two seconds"
    assert call["recordings"][0]["end_reason"] == "call_ended"


async def test_a_notice_that_was_cut_is_no_notice(stub):
    notice = "This call is recorded, so that we can get better at what we do."
    async with (
        recording_host(stub, calls=ON_REQUEST, recordings=Recordings(notice=notice, keep_free_bytes=0)) as host,
        Caller(host.url) as caller,
        Client(host.url) as client,
    ):
        await client.record_start(caller.call_id)
        await caller.wait_voice()
        await client.interrupt(caller.call_id)
        failed = await caller.wait_event("call.recording.failed")
        assert failed.data["reason"] == "notice_cut"
        assert not (await client.call(caller.call_id))["recording"]


async def test_neither_side_is_heard_while_keys_are_pressed_or_sent(stub, tmp_path):
    said = chirps(12)
    async with recording_host(stub) as host:
        async with Caller(host.url) as caller, Client(host.url) as client:
            saying = asyncio.create_task(caller.say(said))
            await client.play(caller.call_id, wav(train(12, **OURS)))
            await caller.wait(1.5)
            started = await caller.wait_event("call.recording.started")
            began = datetime.fromisoformat(started.data["started_at"]).timestamp()
            caller.send("dtmf", digits="12")
            pressed_s = time.time() - began
            await caller.wait(0.5)
            caller.send("dtmf", digits="34#")
            done_s = time.time() - began
            await saying
            await client.send_dtmf(caller.call_id, "99")
            await caller.wait_event("call.dtmf", lambda data: data["direction"] == "out")
            await caller.wait(0.8)
        path, _ = await fetched(host, caller.call_id, tmp_path)
    left, right = sides(path)
    for side in (left, right):
        assert loudness(at(side, pressed_s - 0.3, done_s + 0.1)) < 5
        assert loudness(at(side, 0, pressed_s - 0.8)) > 50
        assert loudness(at(side, done_s + 0.6, done_s + 2)) > 50
    sent_s = len(left) / SAMPLE_RATE - 1.2
    assert loudness(at(right, sent_s - 0.2, sent_s)) < 5


async def test_a_disk_without_room_costs_the_recording_and_not_the_call(stub):
    async with recording_host(stub, recordings=Recordings(keep_free_bytes=1 << 60)) as host:
        async with Caller(host.url) as caller, Client(host.url) as client:
            stopped = await caller.wait_event("call.recording.stopped")
            assert (stopped.data["reason"], stopped.data["state"]) == ("disk_full", "failed")
            await client.say(caller.call_id, "We go on.")
            await caller.wait_event("call.transcript", lambda data: data["text"] == "We go on.")
            call = await client.call(caller.call_id)
            assert (call["recording"], call["recordings"][0]["state"]) == (False, "failed")
        assert not [path for path in host.host.archive.folder.iterdir() if path.suffix == ".ogg"]


async def test_a_recording_ends_at_its_limit(stub, tmp_path):
    async with recording_host(stub, recordings=Recordings(max_s=1.0, keep_free_bytes=0)) as host:
        async with Caller(host.url) as caller:
            stopped = await caller.wait_event("call.recording.stopped")
            assert (stopped.data["reason"], stopped.data["state"]) == ("limit", "ready")
            assert 900 <= stopped.data["duration_ms"] < 2500
        path, _ = await fetched(host, caller.call_id, tmp_path)
    assert 0.9 < len(sides(path)[0]) / SAMPLE_RATE < 2.5


async def test_a_disk_that_does_not_answer_does_not_hold_the_call(stub, monkeypatch):
    monkeypatch.setattr(recording_module, "MOST_PIECES", 100)
    release = threading.Event()
    async with recording_host(stub) as host:
        blocked = asyncio.get_running_loop().run_in_executor(host.host.archive.pool, release.wait, 30)
        async with Caller(host.url) as caller, Client(host.url) as client:
            await client.say(caller.call_id, "We go on.")
            await caller.wait_event("call.transcript", lambda data: data["text"] == "We go on.")
            await caller.wait_event("call.recording.started")
            async with asyncio.timeout(15):
                while (await client.call(caller.call_id))["recording"]:  # noqa: ASYNC110 - the event waits for the disk
                    await asyncio.sleep(0.05)
            release.set()
            await blocked
            stopped = await caller.wait_event("call.recording.stopped")
            assert stopped.data["reason"] == "disk_slow"


async def test_a_caller_who_comes_back_is_on_the_same_recording(stub, tmp_path):
    said = [chirps(2), chirps(3)]
    async with recording_host(stub, "Hello!") as host:
        lost = Caller(host.url)
        await lost.dial()
        await lost.wait_event("call.recording.started")
        await lost.wait_voice()
        await lost.say(said[0])
        async with Caller(host.url, resume=lost.resume_token) as back:
            assert back.call_id == lost.call_id
            await back.say(said[1])
            await back.wait(1.0)
        await lost.leave()
        path, call = await fetched(host, back.call_id, tmp_path)
    assert len(places(sides(path)[0], chirp())) == 5
    assert len(call["recordings"]) == 1


async def test_the_call_in_which_a_lost_conversation_goes_on_is_recorded_as_the_lost_one_was(stub):
    notice = Recordings(notice="This call is recorded.", keep_free_bytes=0)
    async with recording_host(stub, calls=ON_REQUEST, recordings=notice) as host:
        lost = Caller(host.url)
        await lost.dial()
        async with Client(host.url) as client:
            await client.record_start(lost.call_id)
            await lost.wait_event("call.recording.started")
            await lost.leave()
            async with asyncio.timeout(10):
                await host.host.places.idle.wait()
            async with Caller(host.url, resume=lost.resume_token) as back:
                assert back.call_id != lost.call_id
                started = await back.wait_event("call.recording.started")
                assert started.data["by"] == "resumed"
                assert "recorded" not in back.words_of("agent"), "they have heard the notice"


def config(folder, **sections: str) -> str:
    extra = "\n".join(f"[{name}]\n{text}" for name, text in sections.items())
    return (
        f'[server]\nport = 0\n[stt]\nengines = ["pocketsphinx"]\n[agent]\nengines = ["parrot"]\ngreeting = ""\n'
        f'[tts]\nengines = ["espeak-ng"]\n[turns]\nbarge_in = false\n[calls]\nrecording = true\n'
        f'[store]\nurl = "sqlite:///{folder}/calls.db"\n[recordings]\nkeep_free_bytes = 0\n{extra}'
    )


async def test_a_killed_host_leaves_a_file_that_plays_and_the_next_one_finishes_it(tmp_path):
    said = chirps(6)
    async with HostProcess(config(tmp_path)) as host:
        caller = Caller(host.url)
        await caller.dial()
        await caller.wait_event("call.recording.started")
        await caller.say(said)
        (part,) = (tmp_path / "recordings").iterdir()
        async with asyncio.timeout(15):
            while len(places(sides(part)[0], chirp())) < 6:  # noqa: ASYNC110 - it is another process that writes
                await asyncio.sleep(0.2)
        host.send_signal(signal.SIGKILL)
        await host.ended(10)
        call_id = caller.call_id
        await caller.leave()
    assert part.name == f"{call_id}.1.ogg.part"
    assert len(places(sides(part)[0], chirp())) == 6
    async with HostProcess(config(tmp_path)) as host, Client(host.url) as client:
        async with asyncio.timeout(20):
            # It is another process's doing, of which no event tells.
            while (recordings := (await client.call(call_id))["recordings"])[0]["state"] == "recording":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (recordings[0]["state"], recordings[0]["end_reason"]) == ("ready", "host_restarted")
        assert recordings[0]["duration_ms"] > 2000
        sound = b"".join([chunk async for chunk in client.recording(call_id)])
        path = tmp_path / "finished.ogg"
        path.write_bytes(sound)
        assert len(places(sides(path)[0], chirp())) == 6
        assert (part.parent / f"{call_id}.1.ogg").stat().st_size == recordings[0]["bytes"]
        await client.erase(call_id)
    assert not list((tmp_path / "recordings").iterdir())


async def test_old_recordings_are_removed_and_so_is_what_belongs_to_no_call(stub):
    async with recording_host(stub, recordings=Recordings(retain_days=30, keep_free_bytes=0)) as host:
        async with Caller(host.url) as caller:
            await caller.wait(0.3)
        async with asyncio.timeout(10):
            await host.host.places.idle.wait()
        await host.host.store.settle()
        archive = host.host.archive
        orphan = archive.folder / f"call_{'0' * 26}.1.ogg"
        orphan.write_bytes(b"x")
        strange = archive.folder / "my-notes.txt"
        strange.write_text("mine")
        await archive.sweep(datetime.now(UTC) + timedelta(days=29))
        assert {path.name for path in archive.folder.iterdir()} == {f"{caller.call_id}.1.ogg", strange.name}
        await archive.sweep(datetime.now(UTC) + timedelta(days=31))
        await host.host.store.settle()
        assert list(archive.folder.iterdir()) == [strange], "what is not ours is let alone"
        async with Client(host.url) as client:
            assert (await client.call(caller.call_id))["recordings"][0]["state"] == "expired"
            with pytest.raises(ApiError, match="recording_expired"):
                await anext(client.recording(caller.call_id))


async def test_a_call_that_is_not_recorded_pays_nothing(stub):
    async with recording_host(stub, calls=ON_REQUEST) as host:
        async with Caller(host.url) as caller:
            await caller.wait(0.3)
        assert not host.host.archive.folder.exists()
    assert not [event for event in caller.events if re.search("recording", event.type)]
