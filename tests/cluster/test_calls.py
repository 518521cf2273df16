"""Calls on every host of a cluster: whoever asks at the front need not know which host has which."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from openclaw_actors.client import ApiError
from openclaw_actors.names import host_of_call
from openclaw_actors.testkit.providers.carrier.line import Line
from tests.cluster.conftest import HOSTS, TOKEN, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")
AUTH = {"Authorization": f"Bearer {TOKEN}"}


async def follow(client, into: list[dict]) -> None:
    async for event in client.events():
        into.append(event)  # noqa: PERF401 - each as it comes


async def test_calls_on_every_host_are_steered_and_followed_from_the_front(cluster):
    await cluster.all_ready()
    async with cluster.client() as client:
        heard: list[dict] = []
        following = asyncio.create_task(follow(client, heard))
        await asyncio.sleep(1)
        async with cluster.calls_on_each() as calls:
            callers = [caller for each in calls.values() for caller in each]
            for number, caller in enumerate(callers):
                await asked(caller, cluster.agent, f"question number {number}")
                accepted = await client.say(caller.call_id, "A word from the operator.", command_id="word")
                again = await client.say(caller.call_id, "A word from the operator.", command_id="word")
                assert again == accepted, "what was done once is known"
                assert (await client.call(caller.call_id))["status"] == "in-progress"
                assert (await caller.wait_voice(20)) > 0, "media go straight to the host"
            live = {call["id"] for call in (await client._json("GET", "/v1/calls", query={"live": "true"}))["calls"]}
            assert live >= {caller.call_id for caller in callers}
            assert {host_of_call(call_id) for call_id in live} == set(HOSTS)
            nodes = {node["name"]: node["calls"] for node in await client.nodes()}
            assert nodes == {host: len(calls[host]) for host in HOSTS}
            assert (await client.node())["calls"] == len(callers), "all hosts of this machine together"
            assert (await client.node("w2"))["calls"] == len(calls["w2"])
            await client.hangup(callers[0].call_id)
            await callers[0].wait_over(20)
        ids = {caller.call_id for caller in callers}
        async with asyncio.timeout(20):
            while {event["call_id"] for event in heard if event["type"] == "call.ended"} < ids:  # noqa: ASYNC110 - as told
                await asyncio.sleep(0.1)
        following.cancel()
        for call_id in ids:
            numbers = [event["sequence"] for event in heard if event["call_id"] == call_id]
            assert numbers == list(range(1, len(numbers) + 1)), "each once and in order"
        records = {call["id"]: call["status"] for call in (await client.calls(limit=50))["calls"]}
        assert all(records[call_id] == "completed" for call_id in ids)
        lines = (await client.transcript(callers[0].call_id))["lines"]
        assert "question number 0" in str(lines)


async def test_one_call_is_followed_and_listened_to_through_the_front(cluster):
    async with cluster.caller() as caller, cluster.client() as client:
        types = []
        async for event in client.events(caller.call_id):
            types.append(event["type"])
            if event["type"] == "call.answered":
                break
        assert types[0] == "call.initiated"
        url = f"{cluster.url}/v1/calls/{caller.call_id}/listen"
        async with aiohttp.ClientSession(headers=AUTH) as http, http.get(url) as response:
            assert (response.status, response.content_type) == (200, "audio/wav")
            assert len(await response.content.readexactly(20_000)) == 20_000
        assert await caller.hang_up() == 200, "the session's address names its host"


async def test_reading_from_where_one_left_off_misses_nothing_of_any_host(cluster):
    async with cluster.client() as client:
        async with cluster.calls_on_each():
            events = client.events()
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(1)
            async with cluster.caller():
                last = (await asyncio.wait_for(first, 20))["id"]
            await events.aclose()
        seen = []
        async with asyncio.timeout(20):
            async for event in client.events(after=last):
                seen.append(event)
                if sum(each["type"] == "call.ended" for each in seen) >= 3:
                    break
        ids = [event["id"] for event in seen]
        assert len(ids) == len(set(ids))
        assert {host_of_call(event["call_id"]) for event in seen} == set(HOSTS)


async def test_a_phone_s_stream_goes_to_the_host_that_its_webhook_chose(cluster):
    async with Line(cluster.twilio.exchange) as line, cluster.client() as client:
        host = line.stream.verb.url.rpartition("/")[2]
        assert host in HOSTS
        await line.wait_media(20)
        call = await cluster.live_call(client, "twilio")
        assert host_of_call(call["id"]) == host


async def test_the_same_order_under_the_same_key_is_placed_once_whoever_takes_it(cluster):
    async with cluster.client() as client:
        calls = [await client.place("test", idempotency_key="one-call") for _ in range(6)]
        assert len({call["id"] for call in calls}) == 1
        await client.hangup(calls[0]["id"])


async def test_what_names_no_host_of_the_cluster_is_refused_in_words(cluster):
    async with cluster.client() as client:
        with pytest.raises(ApiError) as refused:
            await client.drain(host="nobody")
        assert (refused.value.status, refused.value.code) == (404, "no_such_host")
        with pytest.raises(ApiError) as refused:
            await client.call("call_01ARZ3NDEKTSV4RRFFQ69G5FAV-gone")
        assert (refused.value.status, refused.value.code) == (404, "no_such_call")


async def test_a_stranger_gets_through_the_front_no_further_than_to_a_host(cluster):
    async with aiohttp.ClientSession() as http:
        for path in ("/v1/calls", "/v1/nodes", "/metrics", "/v1/events", "/v1/calls?live=true", "/v1/node"):
            async with http.get(cluster.url + path) as response:
                assert response.status == 401, path
        forged = {"X-Openclaw-Front": "guessed", "X-Openclaw-Peer": "127.0.0.1"}
        async with http.get(f"{cluster.url}/v1/calls", headers=forged) as response:
            assert response.status == 401
        async with http.get(f"{cluster.url}/readyz") as response:
            assert (response.status, (await response.json())["ready"]) == (200, True)
        async with http.get(f"{cluster.url}/") as response:
            assert response.status == 200
            assert "openclaw" in (await response.text()).lower()


async def test_prometheus_finds_each_host_by_way_of_the_front(cluster):
    async with aiohttp.ClientSession(headers=AUTH) as http:
        async with http.get(f"{cluster.url}/v1/nodes/prometheus") as response:
            targets = await response.json()
        assert [each["labels"]["host"] for each in targets] == list(HOSTS)
        for each in targets:
            query = {"host": each["labels"]["__param_host"]}
            async with http.get(f"http://{each['targets'][0]}/metrics", params=query) as response:
                assert "openclaw_actors_calls_limit 8.0" in await response.text()
        async with http.get(f"{cluster.url}/metrics") as response:
            text = await response.text()
        assert 'openclaw_actors_cluster_hosts{state="open"} 2.0' in text
        assert "openclaw_actors_cluster_head_up 1.0" in text


async def test_a_host_that_drains_gets_no_more_calls_and_a_full_cluster_says_so(cluster):
    async with cluster.client() as client:
        await client.drain(host="w1")
        began = time.monotonic()
        try:
            while (await client.node("w1"))["draining"] is False:
                assert time.monotonic() - began < 10
            calls = [await client.place("test") for _ in range(4)]
            assert {host_of_call(call["id"]) for call in calls} == {"w2"}
            await client.drain(host="w2")
            with pytest.raises(ApiError) as refused:
                await client.place("test")
            assert (refused.value.status, refused.value.retry_after_s is not None) == (503, True)
            for call in calls:
                await client.hangup(call["id"])
        finally:
            for host in HOSTS:
                await client.drain(on=False, host=host)
    await cluster.all_ready()
