"""The client against a real host: what the API offers, from a program."""

from __future__ import annotations

import asyncio
import io
import wave

import pytest
import pytest_asyncio
from pydantic import SecretStr

from openclaw_actors.client import ApiError, Client
from openclaw_actors.settings.sections import Auth
from openclaw_actors.testkit.host import embedded_settings, running_host

PATIENCE_S = 15.0

pytestmark = pytest.mark.asyncio(loop_scope="module")
"""One host serves all of them: to load its recogniser takes longer than any of them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host():
    settings = embedded_settings()
    quiet = settings.agent.model_copy(update={"greeting": ""})
    async with running_host(settings.model_copy(update={"agent": quiet})) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(host):
    async with Client(host.url) as made:
        yield made


async def collect(client: Client, call_id: str) -> list:
    return [event async for event in client.events(call_id)]


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(round(8000 * seconds) * 2))
    return file.getvalue()


async def test_a_call_is_placed_steered_followed_and_found_again(client):
    call = await client.place("test", metadata={"order": 7})
    call_id = call["id"]
    events = asyncio.create_task(collect(client, call_id))
    async with asyncio.timeout(PATIENCE_S):
        await client.hold(call_id, "tone")
        await client.hold(call_id)
        assert (await client.call(call_id))["held"]
        await client.resume(call_id)
        await client.mute(call_id)
        await client.unmute(call_id)
        await client.send_dtmf(call_id, "1")
        await client.play(call_id, "beep")
        await client.play(call_id, wav(0.2), name="nothing")
        said = await client.say(call_id, "Goodbye then.", command_id="only-once")
        assert await client.say(call_id, "Goodbye then.", command_id="only-once") == said
        async for event in client.events(call_id):
            if event["type"] == "call.transcript":
                break
        await client.hangup(call_id)
        told = await events
    kinds = [event["type"] for event in told]
    assert kinds[0] == "call.initiated"
    assert kinds[-1] == "call.ended"
    in_order = ["call.held", "call.resumed", "call.muted", "call.unmuted", "call.dtmf", "call.played", "call.played"]
    assert [kind for kind in kinds if kind in in_order] == in_order
    assert [event["sequence"] for event in told] == list(range(1, len(told) + 1))
    assert [line["text"] for line in (await client.transcript(call_id))["lines"]] == ["Goodbye then."]
    record = await client.call(call_id)
    assert (record["status"], record["end_reason"], record["metadata"]) == ("completed", "api_hangup", {"order": 7})
    page = await client.calls(status="completed", limit=1)
    assert [found["id"] for found in page["calls"]] == [call_id]


async def test_the_same_key_places_the_same_call(client):
    first = await client.place("test", idempotency_key="k1")
    assert (await client.place("test", idempotency_key="k1"))["id"] == first["id"]
    assert (await client.place("test"))["id"] != first["id"]


async def test_an_ended_calls_events_are_all_there_and_after_the_last_there_are_none(client):
    call_id = (await client.place("test"))["id"]
    await client.hangup(call_id)
    async with asyncio.timeout(PATIENCE_S):
        told = await collect(client, call_id)
        assert told[-1]["type"] == "call.ended"
        assert [event async for event in client.events(call_id, after=told[-1]["id"])] == []


async def test_an_erased_call_is_gone(client):
    call_id = (await client.place("test"))["id"]
    with pytest.raises(ApiError, match="call_is_live"):
        await client.erase(call_id)
    await client.hangup(call_id)
    async with asyncio.timeout(PATIENCE_S):
        await collect(client, call_id)
    await client.erase(call_id)
    with pytest.raises(ApiError) as refused:
        await client.call(call_id)
    assert (refused.value.status, refused.value.code) == (404, "no_such_call")


async def test_a_draining_host_takes_no_calls_and_says_when_to_come_back(client):
    assert (await client.drain())["draining"]
    with pytest.raises(ApiError) as refused:
        await client.place("test")
    assert (refused.value.status, refused.value.code) == (503, "draining")
    assert refused.value.retry_after_s > 0
    assert not (await client.drain(on=False))["draining"]
    assert (await client.place("test"))["status"] == "in-progress"


async def test_what_the_transport_can_not_do_is_refused_with_words(client):
    call_id = (await client.place("test"))["id"]
    with pytest.raises(ApiError) as refused:
        await client.transfer(call_id, "+15551234567")
    assert (refused.value.status, refused.value.code) == (422, "not_supported_on_transport")
    with pytest.raises(ApiError, match="no_carrier"):
        await client.place("+15551234567")


async def test_the_token_is_sent_and_a_wrong_one_is_refused():
    auth = Auth(tokens=(SecretStr("right-" * 6),), allow_anonymous_loopback=False, join_secret=SecretStr("j" * 32))
    async with running_host(embedded_settings().model_copy(update={"auth": auth})) as running:
        async with Client(running.url, "right-" * 6) as client:
            assert (await client.node())["calls"] == 0
            assert (await client.join_token(identity="me"))["token"]
        async with Client(running.url, "wrong-" * 6) as client:
            with pytest.raises(ApiError) as refused:
                await client.node()
            assert refused.value.status == 401
            with pytest.raises(ApiError):
                await anext(client.events())
