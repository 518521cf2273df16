"""The API over a real host: a call is placed, steered, followed to its end, read, and erased."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from openclaw_actors.settings.sections import Auth, StoreSettings
from openclaw_actors.testkit.host import embedded_settings, running_host


async def next_event(stream: aiohttp.ClientResponse, kind: str, **data) -> dict:
    """The next event of this type whose data has these values."""
    while line := (await stream.content.readline()).decode():
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if event["type"] == kind and data.items() <= event["data"].items():
                return event
    raise AssertionError(f"the stream ended before {kind}")


async def test_a_call_from_its_placing_to_its_erasure(tmp_path):
    update = {
        "auth": Auth(tokens=("a-token",), allow_anonymous_loopback=False),
        "store": StoreSettings(url=f"sqlite:///{tmp_path}/calls.db"),
    }
    headers = {"Authorization": "Bearer a-token"}
    async with (
        asyncio.timeout(60),
        running_host(embedded_settings().model_copy(update=update)) as running,
        aiohttp.ClientSession(running.url, headers=headers) as client,
    ):

        async def ask(method: str, path: str, status: int, body: dict | None = None) -> dict:
            async with client.request(method, path, json=body) as response:
                text = await response.text()
                assert response.status == status, f"{method} {path}: {response.status} {text}"
                return json.loads(text) if text else {}

        call = await ask("POST", "/v1/calls", 201, {"to": "test", "metadata": {"order": 7}})
        path = f"/v1/calls/{call['id']}"
        assert (call["status"], call["transport"], call["direction"]) == ("in-progress", "test", "outbound")
        async with client.get(f"{path}/events") as stream:
            await next_event(stream, "call.answered")
            await next_event(stream, "call.transcript", role="agent")  # the greeting
            await ask("POST", f"{path}/actions/say", 202, {"text": "Your order has shipped."})
            await next_event(stream, "call.transcript", text="Your order has shipped.")
            await ask("POST", f"{path}/actions/send_text", 202, {"text": "Thank you"})
            answer = await next_event(stream, "call.transcript", role="agent")
            assert answer["data"]["text"]
            for action, told in [
                ("mute", "call.muted"),
                ("unmute", "call.unmuted"),
                ("hold", "call.held"),
                ("resume", "call.resumed"),
            ]:
                await ask("POST", f"{path}/actions/{action}", 202)
                await next_event(stream, told)
            assert (await ask("GET", "/v1/node", 200))["calls"] == 1
            listed = await ask("GET", "/v1/calls?status=in-progress", 200)
            assert [each["id"] for each in listed["calls"]] == [call["id"]]
            await ask("DELETE", path, 409)
            await ask("POST", f"{path}/actions/hangup", 202)
            await next_event(stream, "call.ended", reason="api_hangup")
            assert await stream.content.read() == b"\n"
        await running.host.places.idle.wait()
        past = await ask("GET", path, 200)
        assert (past["status"], past["end_reason"], past["metadata"]) == ("completed", "api_hangup", {"order": 7})
        said = [(each["role"], each["text"]) for each in (await ask("GET", f"{path}/transcript", 200))["lines"]]
        assert ("agent", "Your order has shipped.") in said
        assert ("user", "Thank you") in said
        await ask("POST", f"{path}/actions/say", 409, {"text": "Too late."})
        await ask("DELETE", path, 204)
        await ask("GET", path, 404)


async def test_a_drained_host_takes_calls_again_when_it_is_told(tmp_path):
    update = {"store": StoreSettings(url=f"sqlite:///{tmp_path}/calls.db")}
    async with (
        asyncio.timeout(60),
        running_host(embedded_settings().model_copy(update=update)) as running,
        aiohttp.ClientSession(running.url) as client,
    ):
        statuses = []
        for method, path in [
            ("POST", "/v1/node/drain"),
            ("GET", "/readyz"),
            ("POST", "/v1/calls"),
            ("DELETE", "/v1/node/drain"),
            ("GET", "/readyz"),
            ("POST", "/v1/calls"),
        ]:
            body = {"to": "test"} if path == "/v1/calls" else None
            async with client.request(method, path, json=body) as response:
                statuses.append(response.status)
        assert statuses == [200, 503, 503, 200, 200, 201]
