"""A carrier's WebSocket: texts come in order and at once, whether aiohttp lets us past its queue or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from openclaw_actors.api import aiohttp_private
from openclaw_actors.api.aiohttp_private import TappedWebSocket
from openclaw_actors.api.stream_socket import StreamSocket
from openclaw_actors.transports.media_streams.stream import StreamFaultError

TIMEOUT = 10
Handler = Callable[[StreamSocket], Awaitable[None]]
where: ContextVar[str] = ContextVar("where", default="elsewhere")


@pytest.fixture(params=["past the queue", "stock"])
def way(request, monkeypatch):
    if request.param == "stock":
        monkeypatch.setattr(aiohttp_private, "_OF_A_RESPONSE", ("_another_name",))


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, asyncio.Future[None]]]:
    """The other end of a socket that ``handler`` serves, and what became of that."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(request: web.Request) -> web.StreamResponse:
        response = TappedWebSocket(timeout=0.5)
        await response.prepare(request)
        try:
            await handler(StreamSocket(request, response, 1_048_576))
        except asyncio.CancelledError:
            ended.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ended.set_exception(error)
        else:
            if not ended.done():  # that of another client, who was first
                ended.set_result(None)
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    async with asyncio.timeout(TIMEOUT), TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        yield socket, ended


@pytest.mark.usefixtures("way")
async def test_all_texts_come_in_order_and_then_the_end():
    heard: list[str] = []
    ready = asyncio.Event()

    async def handler(socket: StreamSocket) -> None:
        assert await socket.receive() == "0"
        await ready.wait()  # meanwhile some wait in the queue
        await socket.listen(lambda text: heard.append(text) is None)
        assert await socket.receive() is None

    async with served(handler) as (socket, ended):
        for number in range(50):
            await socket.send_str(str(number))
        await asyncio.sleep(0.05)
        ready.set()
        for number in range(50, 500):
            await socket.send_str(str(number))
        await socket.close()
        await ended
    assert heard == [str(number) for number in range(1, 500)]


@pytest.mark.usefixtures("way")
async def test_texts_that_came_along_with_the_upgrade_are_heard_whole():
    """Those of a client that does not wait for the answer; the last comes in two parts."""
    heard: list[str] = []

    async def handler(socket: StreamSocket) -> None:
        heard.append(await socket.receive() or "")
        await socket.listen(lambda text: heard.append(text) is not None or len(heard) < 4)

    async with served(handler) as (socket, ended):
        port = socket._response.url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        frames = b"".join(b"\x81\x85\0\0\0\0" + text for text in (b"first", b"again", b"three", b"whole"))
        writer.write(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            + frames[:-3]
        )
        assert b"101" in await reader.readline()
        await asyncio.sleep(0.05)
        writer.write(frames[-3:])
        await ended
        writer.close()
    assert heard[:4] == ["first", "again", "three", "whole"]


@pytest.mark.usefixtures("way")
async def test_no_text_behind_sound_is_heard_before_it():
    heard: list[str] = []

    async with served(lambda socket: socket.listen(lambda text: heard.append(text) is None)) as (socket, ended):
        await socket.send_str("before")
        transport = socket._response.connection.transport
        transport.write(b"\x82\x81\0\0\0\0x" + b"\x81\x84\0\0\0\0stop")
        with pytest.raises(StreamFaultError, match="1003"):
            await ended
    assert heard == ["before"]


@pytest.mark.usefixtures("way")
async def test_who_wants_no_more_is_given_no_more():
    heard: list[str] = []

    async def handler(socket: StreamSocket) -> None:
        await socket.listen(lambda text: heard.append(text) is not None or text != "stop")
        assert await socket.receive() == "after"

    async with served(handler) as (socket, ended):
        for text in ("one", "stop", "after"):
            await socket.send_str(text)
        await ended
    assert heard == ["one", "stop"]


@pytest.mark.usefixtures("way")
async def test_what_the_listener_raises_is_raised():
    def take(text: str) -> bool:
        raise ValueError(text)

    async with served(lambda socket: socket.listen(take)) as (socket, ended):
        await socket.send_str("nonsense")
        with pytest.raises(ValueError, match="nonsense"):
            await ended


@pytest.mark.usefixtures("way")
async def test_what_is_no_text_is_a_fault():
    async with served(lambda socket: socket.listen(lambda _: True)) as (socket, ended):
        await socket.send_str("text")
        await socket.send_bytes(b"sound")
        with pytest.raises(StreamFaultError, match="1003 Binary message"):
            await ended


@pytest.mark.usefixtures("way")
async def test_a_connection_that_breaks_is_the_end():
    async with served(lambda socket: socket.listen(lambda _: True)) as (socket, ended):
        await socket.send_str("text")
        await asyncio.sleep(0.05)
        socket._response.connection.transport.abort()
        with suppress(asyncio.CancelledError):  # so does aiohttp
            await ended


@pytest.mark.usefixtures("way")
async def test_the_listener_is_called_in_the_context_of_who_listens():
    heard: list[str] = []

    def take(_: str) -> bool:
        heard.append(where.get())
        return False

    async def handler(socket: StreamSocket) -> None:
        where.set("here")
        await socket.listen(take)

    async with served(handler) as (socket, ended):
        await socket.send_str("text")
        await ended
    assert heard == ["here"]


@pytest.mark.usefixtures("way")
async def test_who_stops_listening_loses_nothing():
    """Whoever is cancelled while it listens: what comes afterwards waits in the queue."""
    heard: list[str] = []

    async def handler(socket: StreamSocket) -> None:
        listening = asyncio.create_task(socket.listen(lambda text: heard.append(text) is None))
        while not heard:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await socket.send("go on")
        assert await socket.receive() == "second"

    async with served(handler) as (socket, ended):
        await socket.send_str("first")
        assert await socket.receive_str() == "go on"
        await socket.send_str("second")
        await ended
    assert heard == ["first"]
