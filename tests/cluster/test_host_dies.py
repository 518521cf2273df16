"""A host of a cluster is killed: its calls are told to be lost, their callers go on elsewhere, others go on."""

from __future__ import annotations

import asyncio
import time

import pytest

from openclaw_actors.client import ApiError
from openclaw_actors.names import host_of_call
from openclaw_actors.testkit.providers.carrier.line import Line
from tests.cluster.conftest import asked, redialled

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_killed_under_calls(cluster):
    await cluster.all_ready()
    async with cluster.client() as client, cluster.calls_on_each(2) as calls:
        lost, others = calls["w1"], calls["w2"]
        for number, caller in enumerate((*lost, *others)):
            await asked(caller, cluster.agent, f"my number is {number}")
        packets = {caller.call_id: caller.heard.packets for caller in others}
        await cluster.kill("w1")
        killed_at = time.monotonic()

        again = await redialled(cluster, lost[0])
        try:
            given = await asked(again, cluster.agent, "what is my number")
            assert "my number is 0" in str(given), "the agent remembers"
            record = await client.call(again.call_id)
            assert record["resumed_from"] == lost[0].call_id
            twice = cluster.caller(resume=lost[0].resume_token)
            with pytest.raises(Exception, match="410"):
                await twice.dial()
            await twice.leave()
        finally:
            await again.hang_up()

        ids = {caller.call_id for caller in lost}
        async with asyncio.timeout(30):
            while True:
                ends = [each for each in cluster.hook.taken if each["type"] == "call.ended" and each["call_id"] in ids]
                if {each["call_id"] for each in ends} == ids:
                    break
                await asyncio.sleep(0.1)
        assert time.monotonic() - killed_at < 20
        assert len(ends) == len(ids), "each is told once"
        assert {(each["data"]["status"], each["data"]["reason"]) for each in ends} == {("failed", "node_lost")}
        for call_id in ids:
            record = await client.call(call_id)
            assert (record["status"], record["end_reason"]) == ("failed", "node_lost")
            with pytest.raises(ApiError) as refused:
                await client.say(call_id, "Is anybody there?")
            assert refused.value.code in {"call_ended", "host_lost"}

        for caller in others:
            await asked(caller, cluster.agent, "are you there")
            assert not caller.over
            assert caller.heard.packets > packets[caller.call_id]
        nodes = await cluster.all_ready()
        assert {node["name"] for node in nodes} == {"w1", "w2"}, "Ray has started it anew"


async def test_a_phone_call_goes_on_at_another_host_when_its_own_is_killed(cluster):
    await cluster.all_ready()
    async with Line(cluster.twilio.exchange) as line, cluster.client() as client:
        first = line.stream
        host = first.verb.url.rpartition("/")[2]
        await line.wait_media(20)
        call = await cluster.live_call(client, "twilio")
        await client.send_text(call["id"], "my name is Ada")
        async with asyncio.timeout(30):
            while not (await client.transcript(call["id"]))["lines"]:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.1)
        await cluster.kill(host)
        after = await cluster.live_call(client, "twilio", resumed_from=call["id"])
        assert not line.over
        assert line.stream is not first
        assert (after["carrier_call_id"], after["from"]) == (call["carrier_call_id"], call["from"])
        before = len(cluster.agent.of("chat"))
        await client.send_text(after["id"], "what is my name")
        given = await cluster.agent.wait_request("chat", before + 1, 30)
        assert "my name is Ada" in str(given.body["messages"])
        assert host_of_call(after["id"]) in {"w1", "w2"}
    await cluster.all_ready()
