"""The private names of aiohttp that aiohttp_private.py uses: a failure here means that aiohttp has changed under it."""

from __future__ import annotations

import asyncio
import inspect

from aiohttp import WSMsgType, web, web_protocol, web_ws
from aiohttp._websocket import reader_py
from aiohttp.test_utils import TestClient, TestServer

from openclaw_actors.api.aiohttp_private import _QUEUE_BYTES, TappedWebSocket


def test_a_response_makes_its_queue_and_parser_as_we_make_them_anew():
    source = inspect.getsource(web_ws.WebSocketResponse._post_start)
    assert "self._reader = WebSocketDataQueue(" in source
    assert "self._parser = WebSocketReader(" in source
    assert "request.protocol.set_parser(self._parser" in source
    assert web_ws.DEFAULT_CHUNK_SIZE == _QUEUE_BYTES


def test_the_parser_gives_each_message_to_its_queue():
    source = inspect.getsource(reader_py.WebSocketReader._handle_frame)
    assert source.count("self.queue.feed_data(") == source.count("feed_data(") >= 5
    assert "await self._reader.read()" in inspect.getsource(web_ws.WebSocketResponse.receive)


def test_a_protocol_takes_one_parser():
    assert "assert self._payload_parser is None" in inspect.getsource(web_protocol.RequestHandler.set_parser)


async def test_a_text_comes_to_us_from_within_data_received():
    stacks: list[list[str]] = []
    done = asyncio.Event()

    def take(text: str) -> bool:
        assert text == "hello"
        stacks.append([frame.function for frame in inspect.stack(0)])
        done.set()
        return True

    async def serve(request: web.Request) -> web.StreamResponse:
        response = TappedWebSocket()
        await response.prepare(request)
        assert response.tap is not None
        response.tap.open(take)
        assert (await response.receive()).type is WSMsgType.CLOSE
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    async with asyncio.timeout(10), TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        await socket.send_str("hello")
        await done.wait()
    assert "data_received" in stacks[0]
    assert "receive" not in stacks[0]
