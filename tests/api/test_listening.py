"""``GET /v1/calls/{id}/listen``: who may, how many, and what becomes of one who is slow."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.media.audience import FRAME_BYTES, wav_header
from openclaw_actors.messages import Listen, StopListening
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Auth, Calls, Limits, ScopedToken
from tests.store.samples import SampleCall, record

PATH = "/v1/calls/call_9/listen"
ON = Calls(listen_in=True)


async def told(api, kind: type):
    """The first message of this kind that the call was told."""
    async with asyncio.timeout(5):
        while True:
            found = next((message for _, message in api.board.told if isinstance(message, kind)), None)
            if found is not None:
                return found
            await asyncio.sleep(0.01)


async def test_who_listens_hears_what_the_call_says_until_its_end(serve):
    async with serve(calls=ON) as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH) as response:
            assert (response.status, response.content_type) == (200, "audio/wav")
            joined = await told(api, Listen)
            assert joined.name == "local"
            assert await response.content.readexactly(len(wav_header())) == wav_header()
            for number in range(10):
                joined.listener.hear(bytes([number]) * FRAME_BYTES)
            heard = await response.content.readexactly(10 * FRAME_BYTES)
            assert heard == b"".join(bytes([number]) * FRAME_BYTES for number in range(10))
            joined.listener.end()
            assert await response.content.read() == b""
        assert (await told(api, StopListening)).listener is joined.listener
        assert metrics.listeners._value.get() == 0


async def test_a_listener_who_goes_is_taken_off(serve, monkeypatch):
    monkeypatch.setattr("openclaw_actors.api.listening._LOOK_S", 0.05)
    async with serve(calls=ON) as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH):
            joined = await told(api, Listen)
        assert (await told(api, StopListening)).listener is joined.listener


async def test_a_call_that_is_gone_without_a_word_ends_the_stream(serve, monkeypatch):
    monkeypatch.setattr("openclaw_actors.api.listening._LOOK_S", 0.05)
    async with serve(calls=ON) as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH) as response:
            await told(api, Listen)
            del api.board.calls["call_9"]
            assert await response.content.read() == wav_header()


async def test_one_who_is_slow_loses_the_oldest_and_is_never_waited_for(serve):
    async with serve(calls=ON, limits=Limits(listener_frames=4)) as api:
        api.board.calls["call_9"] = None
        dropped = metrics.listener_frames_dropped_total._value.get()
        async with api.request("GET", PATH) as response:
            joined = await told(api, Listen)
            for number in range(10):  # all before the stream's turn comes
                joined.listener.hear(bytes([number]) * FRAME_BYTES)
            joined.listener.end()
            heard = (await response.content.read())[len(wav_header()) :]
        assert heard == b"".join(bytes([number]) * FRAME_BYTES for number in range(6, 10))
        assert metrics.listener_frames_dropped_total._value.get() - dropped == 6


async def test_one_who_never_reads_is_disconnected(serve, monkeypatch):
    monkeypatch.setattr("openclaw_actors.api.listening._STUCK_S", 0.2)
    async with serve(calls=ON) as api, api.raw() as (_, writer):
        api.board.calls["call_9"] = None
        writer.transport.pause_reading()
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
        joined = await told(api, Listen)
        async with asyncio.timeout(20):
            while not any(isinstance(message, StopListening) for _, message in api.board.told):
                for _ in range(100):
                    joined.listener.hear(bytes(FRAME_BYTES))
                await asyncio.sleep(0.01)


async def test_a_host_that_permits_nobody_says_which_setting_does(serve):
    async with serve() as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH) as response:
            problem = await api.problem(response, 403, "listening_off")
            assert "calls.listen_in" in problem["detail"]
        assert api.board.told == []


async def test_a_token_without_the_scope_hears_nothing(serve):
    auth = Auth(
        scoped_tokens=(
            ScopedToken(name="desk", token="desk-token", scopes=("read", "call:listen")),
            ScopedToken(name="wall", token="wall-token", scopes=("read", "call:control", "admin")),
        ),
        allow_anonymous_loopback=False,
    )
    async with serve(calls=ON, auth=auth) as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH, headers={"Authorization": "Bearer wall-token"}) as response:
            await api.problem(response, 403, "insufficient_scope")
        desk = {"Authorization": "Bearer desk-token"}
        async with api.request("GET", PATH, headers=desk):
            assert (await told(api, Listen)).name == "desk"
        async with api.request("GET", "/v1/me", headers=desk) as response:
            assert await response.json() == {
                "name": "desk",
                "scopes": ["call:listen", "read"],
                "listen_in": True,
                "voicemail": False,
            }


async def test_places_for_listeners_are_bounded(serve):
    async with serve(calls=ON, limits=Limits(listeners=1)) as api:
        api.board.calls["call_9"] = None
        async with api.request("GET", PATH):
            await told(api, Listen)
            async with api.request("GET", PATH) as response:
                problem = await api.problem(response, 503, "too_many_listeners")
                assert "limits.listeners" in problem["detail"]


@pytest.mark.parametrize("known", [True, False])
async def test_a_call_that_is_over_can_not_be_listened_to(serve, known):
    async with serve(calls=ON) as api:
        call = SampleCall()
        if known:
            await record(api.store, *call.talk(), call.ended())
        async with api.request("GET", f"/v1/calls/{call.id}/listen") as response:
            await api.problem(response, *((409, "call_ended") if known else (404, "no_such_call")))
