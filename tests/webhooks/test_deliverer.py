"""The host's webhooks as a whole: every receiver for itself, nothing lost when the host is killed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openclaw_actors.actors.events import EventHub
from openclaw_actors.settings.sections import Settings
from openclaw_actors.webhooks.deliverer import Deliverer

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0


@pytest.fixture
def delivering(settings_for):
    @asynccontextmanager
    async def delivering(ledger, *urls, **settings):
        hub = EventHub()
        deliverer = Deliverer(Settings(webhooks=settings_for(*urls, **settings)), ledger, hub)
        await deliverer.start()
        try:
            yield deliverer, hub
        finally:
            await deliverer.aclose()

    return delivering


async def test_an_event_is_posted_when_it_is_published(receiver_at, outbox, delivering):
    async with (
        receiver_at() as one,
        receiver_at() as two,
        outbox(one.url, two.url) as ledger,
        delivering(ledger, one.url, two.url) as (_, hub),
    ):
        event = await ledger.happens("call_1", 1, "call.answered")
        hub.publish(event)
        assert await one.until(1) == await two.until(1) == [event.as_dict()]
        assert [(await ledger.next())[0] for _ in range(2)] == ["done", "done"]


async def test_what_was_left_undelivered_goes_out_at_the_start(receiver_at, outbox, delivering):
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        event = await ledger.happens("call_1", 1, "call.answered")
        async with delivering(ledger, receiver.url):
            assert await receiver.until(1) == [event.as_dict()]
            await ledger.next()


async def test_dead_and_hanging_receivers_hurt_nobody(receiver_at, outbox, delivering):
    """Of four receivers one answers; it has all events of 40 calls within the time-out of the one that hangs."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/hook"
        async with receiver_at() as well, receiver_at() as hanging, receiver_at(*[500] * 1000) as broken:
            hanging.answers.extend([hanging.hang] * 1000)
            urls = (dead, hanging.url, broken.url, well.url)
            async with outbox(*urls) as ledger, delivering(ledger, *urls, timeout_s=30) as (deliverer, hub):
                sent = []
                for sequence in (1, 2, 3):
                    for number in range(40):
                        event = await ledger.happens(f"call_{number:02}", sequence, "call.answered")
                        hub.publish(event)
                        sent.append(event.id)
                async with asyncio.timeout(WAIT_S):
                    await well.until(120)
                assert sorted(well.ids) == sorted(sent)
                states = {each["receiver"]: each["state"] for each in deliverer.describe()}
                assert states[dead.removesuffix("/hook")] == "failing"
                assert states[well.url.removesuffix("/hook")] == "ok"
                hanging.closing.set()


async def test_events_of_a_url_that_is_no_longer_configured_are_given_up(receiver_at, outbox, delivering):
    async with receiver_at() as receiver, outbox("http://gone.example/hook", receiver.url) as ledger:
        await ledger.happens("call_1", 1, "call.answered")
        async with delivering(ledger, receiver.url):
            await receiver.until(1)
            await ledger.next()
            assert await ledger.outbox_next_at() is None


async def test_without_urls_nothing_runs(outbox, delivering):
    async with outbox() as ledger, delivering(ledger) as (deliverer, hub):
        hub.publish(await ledger.happens("call_1", 1, "call.answered"))
        assert deliverer.describe() == []


async def test_a_lane_that_breaks_is_started_anew(receiver_at, outbox, delivering, monkeypatch):
    monkeypatch.setattr("openclaw_actors.webhooks.deliverer._AGAIN_S", 0.01)
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        await ledger.happens("call_1", 1, "call.answered")
        real, broken = ledger.store.outbox_due, []

        async def break_once(*arguments):
            if not broken:
                broken.append(True)
                raise KeyError("a fault of ours")
            return await real(*arguments)

        monkeypatch.setattr(ledger.store, "outbox_due", break_once)
        async with delivering(ledger, receiver.url):
            await receiver.until(1)
            await ledger.next()
        assert broken


async def test_kill_9_in_the_middle_of_20_calls_loses_no_event_and_no_end(receiver_at, outbox, delivering, tmp_path):
    async with receiver_at(*[204] * 60) as receiver:
        receiver.answers.extend([receiver.hang] * 8)  # the host is killed with these on their way
        database = f"sqlite:///{tmp_path / 'killed.db'}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.webhooks.host_to_kill",
            database,
            receiver.url,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        published: list[list[str]] = []
        async with asyncio.timeout(WAIT_S):
            async for line in process.stdout:  # its log stands in between
                if line.startswith(b"published ") and line.endswith(b"\n"):
                    published.append(line.decode().split())
                if len(published) == 200:
                    process.send_signal(signal.SIGKILL)
            await process.wait()
        assert process.returncode == -signal.SIGKILL
        calls = {call_id for _, _, call_id in published}
        assert len(calls) == 20

        async with outbox(receiver.url, name="killed.db") as ledger:
            recorded = {event.id for call_id in calls for event in await ledger.events(call_id, 0, 10_000)}
            assert {event_id for _, event_id, _ in published} <= recorded
            assert {(await ledger.call(call_id)).is_final for call_id in calls} == {True}
            receiver.answers.clear()
            async with delivering(ledger, receiver.url), asyncio.timeout(WAIT_S):
                while await ledger.outbox_next_at() is not None:
                    await ledger.next()
    told = {event["id"] for event in receiver.taken}
    assert {event_id for _, event_id, _ in published} <= told
    for call_id in calls:
        arrived = list(dict.fromkeys(event["sequence"] for event in receiver.taken if event["call_id"] == call_id))
        assert arrived == list(range(1, len(arrived) + 1)), "in order, none missing"
        ends = {
            event["id"]: event["data"]["reason"]
            for event in receiver.taken
            if event["call_id"] == call_id and event["type"] == "call.ended"
        }
        assert len(ends) == 1
    reasons = {event["data"]["reason"] for event in receiver.taken if event["type"] == "call.ended"}
    assert reasons == {"caller_hangup", "host_restarted"}
