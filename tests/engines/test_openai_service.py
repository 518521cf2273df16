"""The client below every engine that speaks with an OpenAI-compatible server, against sockets that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import pytest
from tts_samples import within

from openclaw_actors.engines.agent.chat import stream_answer
from openclaw_actors.engines.openai_service import OpenAiServer
from openclaw_actors.errors import BrokenEngineError, EngineError, TransientEngineError, UnsentEngineError
from openclaw_actors.observability.engine_meter import EngineMeter

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def events(*data: str) -> bytes:
    """One chunk of a response."""
    body = "".join(f"data: {each}\n\n" for each in data).encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


def says(text: str) -> str:
    return f'{{"choices": [{{"delta": {{"content": "{text}"}}}}]}}'


class Server:
    """Reads requests, keeps their heads, and answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heads: list[str] = []
        self.waiting = 0
        self.asked = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            async with self.asked:
                self.waiting += 1
                self.asked.notify_all()
            await self._answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def sends(*pieces: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer


@pytest.fixture
async def ask():
    servers = []

    async def answer(url: str) -> list[object]:
        server = OpenAiServer(url, "sk-1", silence_s=10)
        servers.append(server)
        body = {"model": "m", "messages": []}
        return [piece async for piece in stream_answer(server, "The model", body, EngineMeter("agent", "openai"))]

    yield answer
    for server in servers:
        await server.close()


async def test_no_variable_of_the_environment_says_where_to_and_as_whom(ask, monkeypatch):
    async with Server(sends()) as proxy, Server(sends(HEAD, events(says("Hi"), "[DONE]"), END)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "of-the-environment")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Whose: of-the-environment\nAuthorization: Bearer other")

        assert await within(ask(server.url)) == ["Hi"]
        assert proxy.heads == []
        assert "of-the-environment" not in server.heads[0]
        assert "authorization: bearer sk-1" in server.heads[0].lower()


async def test_more_requests_are_under_way_at_once_than_aiohttp_would_allow():
    enough = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        await enough.wait()
        writer.write(HEAD + events(says("Hi"), "[DONE]") + END)

    async with Server(answer) as server:
        client = OpenAiServer(server.url, "sk-1", silence_s=30)

        async def ask() -> None:
            async with client.post_json("/chat/completions", {}) as response:
                await response.read()

        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(ask()) for _ in range(120)]
                async with asyncio.timeout(20), server.asked:
                    await server.asked.wait_for(lambda: server.waiting == len(asked))
                enough.set()
        finally:
            enough.set()
            await client.close()


async def test_an_answer_that_is_whole_is_no_fault_when_the_connection_breaks_behind_it(ask):
    async with Server(sends(HEAD, events(says("Hi")), events("[DONE]"))) as server:
        assert await within(ask(server.url)) == ["Hi"]


@pytest.mark.parametrize(
    ("pieces", "error", "text"),
    [
        ((), TransientEngineError, "ServerDisconnectedError"),
        ((HEAD, events(says("Hi"))), TransientEngineError, "connection lost: ClientPayloadError"),
        ((b"no HTTP\r\n\r\n",), TransientEngineError, "connection lost"),
        ((HEAD, events('{"choices": [{"delta": {"content": ["Hi"]}}]}'), END), BrokenEngineError, "no text"),
        ((HEAD, events("[]"), END), BrokenEngineError, "understood"),
        ((HEAD, b'f\r\n{"choices": []}\r\n', END), BrokenEngineError, "in place of a stream"),
    ],
    ids=["closed", "cut", "no HTTP", "a list", "no object", "no stream"],
)
async def test_a_request_that_was_sent_is_never_called_unsent(ask, pieces, error, text):
    async with Server(sends(*pieces)) as server:
        with pytest.raises(EngineError, match=text) as raised:
            await within(ask(server.url))
    assert type(raised.value) is error


async def test_where_nobody_listens_nothing_was_sent(ask):
    async with Server(sends()) as server:
        url = server.url
    with pytest.raises(UnsentEngineError, match="can't be reached"):
        await within(ask(url))


async def test_a_line_without_an_end_is_given_up(ask):
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"6\r\ndata: \r\n")
        for _ in range(400):
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    async with Server(answer) as server:
        with pytest.raises(BrokenEngineError, match="an event of more than 1048576 bytes"):
            await within(ask(server.url))
