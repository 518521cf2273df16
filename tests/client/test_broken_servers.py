"""The client against servers that break off, refuse or are none."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from openclaw_actors import client as client_module
from openclaw_actors.client import ApiError, Client, NoConnectionError

PATIENCE_S = 15.0


@asynccontextmanager
async def serving(handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def frame(number: int, kind: str = "call.transcript") -> bytes:
    event = {"id": f"evt_{number}", "type": kind, "time": "", "call_id": "c", "sequence": number, "data": {}}
    return f"id: evt_{number}\ndata: {json.dumps(event)}\n\n".encode()


async def test_a_stream_that_breaks_goes_on_where_it_was_and_nothing_comes_twice():
    asked: list[str] = []

    async def handler(request):
        asked.append(request.headers.get("Last-Event-ID", ""))
        if len(asked) == 2:
            return web.Response(status=503, headers={"Retry-After": "1"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 10\n\n")
        if len(asked) == 1:
            await response.write(frame(1) + frame(2) + b": overflow\n\n" + frame(3)[:20])
        else:
            await response.write(frame(2) + frame(3) + frame(4, "call.ended"))
        return response

    async with serving(handler) as url, Client(url) as client, asyncio.timeout(PATIENCE_S):
        told = [event["sequence"] async for event in client.events("c")]
    assert told == [1, 2, 3, 4]
    assert asked == ["", "evt_2", "evt_2"]


async def test_a_stream_that_falls_silent_is_opened_anew(monkeypatch):
    monkeypatch.setattr(client_module, "HEARTBEAT_LOST_S", 0.1)
    asked = 0

    async def handler(request):
        nonlocal asked
        asked += 1
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"retry: 1\n\n" + frame(asked, "call.ended" if asked == 2 else "call.answered"))
        if asked == 1:
            await asyncio.sleep(30)  # until the client gives it up
        return response

    async with serving(handler) as url, Client(url) as client, asyncio.timeout(PATIENCE_S):
        assert [event["sequence"] async for event in client.events("c")] == [1, 2]


async def test_an_answer_that_is_no_problem_is_an_error_with_its_status():
    async def handler(request):
        return web.Response(status=502, text="<html>")

    async with serving(handler) as url, Client(url) as client:
        with pytest.raises(ApiError, match="http_502"):
            await client.node()


async def test_what_is_no_host_is_told():
    async def handler(request):
        return web.Response(text="<html>")

    async with serving(handler) as url, Client(url) as client:
        with pytest.raises(NoConnectionError, match="no openclaw_actors host"):
            await client.node()


async def test_nobody_there_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(NoConnectionError):
            await client.calls()
        with pytest.raises(NoConnectionError):
            await anext(client.events())


async def test_a_host_that_never_answers_is_given_up():
    async def handler(request):
        await asyncio.sleep(30)  # longer than anybody waits

    async with serving(handler) as url, Client(url, timeout_s=0.1) as client:
        with pytest.raises(NoConnectionError, match=r"in time|timeout"):
            await client.node()
