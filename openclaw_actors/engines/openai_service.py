"""What engines that speak with an OpenAI-compatible server share: the client, the probe, and what its faults mean.

The client is aiohttp's, as it is. Beside the ``openai`` package on the same aiohttp, the first byte of a transcript, an
answer and a voice comes 3, 5 and 1 ms sooner, and nobody waits for that package's import.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import aiohttp
import certifi

from openclaw_actors import __version__
from openclaw_actors.engines.connection_faults import reason
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
    UnsentEngineError,
)
from openclaw_actors.event_stream import EventStream

OPENAI_URL = "https://api.openai.com/v1"
"""Where a key without a ``base_url`` belongs to."""

_PROBE_S = 5.0
"""A local server answers in milliseconds, a far one in half a second; start-up must not wait longer."""

_CONNECT_S = 3.0
_KEPT_S = 60.0
"""How long a connection is kept open for the next request. With aiohttp's 15 s many turns would open one anew, with TLS
two round trips more, 50-200 ms to a far server. A server that closes sooner is noticed."""
_ANY_NUMBER = 0
"""Of connections. aiohttp's own bound is 100: the next caller's request would wait for another's answer to end."""
_LAST_BYTES_S = 0.1
"""Between `[DONE]` and the end of the response: they are one packet, mostly."""
_LONGEST_REFUSAL = 65_536
"""Bytes that are read of one."""
_PASSING_STATUS = {408, 409, 425, 429}
_OF_THIS_REQUEST = {400, 413, 422}
"""A content filter, a context that is too long: says nothing of the next caller's request."""
_UNKNOWN_TO_A_GATEWAY = ("Invalid `model`", "Unknown agent")
"""How an OpenClaw Gateway says, with a 400, that it has no such agent: no call's request will be answered."""


class StatusError(Exception):
    """The server answered 400 or more.

    Args:
        status: the HTTP status.
        body: what it said, JSON in OpenAI's shape or others', or a page.
    """

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        said = _said(body)
        self.code, self.param = (str(said.get(name) or "") for name in ("code", "param"))
        self.message = str(said.get("message") or body[:500].decode(errors="replace") or "no word of explanation")
        super().__init__(f"{status}: {self.message}")


class EventError(Exception):
    """The server told of a fault in the midst of a stream.

    Args:
        error: what stands under ``error``: an object in OpenAI's shape, or a text.
    """

    def __init__(self, error: Any) -> None:
        said = error if isinstance(error, dict) else {"message": error}
        self.kind = str(said.get("type") or "")
        super().__init__(str(said.get("message") or "an error without a text"))


class OpenAiServer:
    """A server and its connections. The settings alone decide where to and as whom, no variable of the environment.

    Args:
        base_url: ends in ``/v1``, mostly.
        api_key: may be empty for servers that want none.
        silence_s: how long the server may send nothing before the request counts as failed.
    """

    def __init__(self, base_url: str, api_key: str, *, silence_s: float) -> None:
        self.base_url = (base_url or OPENAI_URL).rstrip("/")
        self._headers = {"User-Agent": f"openclaw-actors/{__version__}"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=silence_s)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def is_closed(self) -> bool:
        """Whether it was closed: nothing can be asked any more."""
        return self._closed

    async def close(self) -> None:
        """Close its connections. May be called more than once."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a GET.

        Raises:
            StatusError: it is a refusal.
        """
        async with self._opened().get(self.base_url + path) as response:
            await _raise_for_status(response)
            yield response

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes | aiohttp.FormData, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a POST; leaving it ends the request. Nothing is tried a second time.

        Raises:
            StatusError: it is a refusal.
        """
        async with self._opened().post(self.base_url + path, data=body, headers=headers) as response:
            await _raise_for_status(response)
            yield response

    def post_json(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """As ``post``."""
        return self.post(path, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def post_form(
        self, path: str, fields: Mapping[str, str], file: tuple[str, str, bytes]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """As ``post``; ``file``: its name, its type, its content."""
        name, kind, content = file
        form = aiohttp.FormData(fields)
        form.add_field("file", content, filename=name, content_type=kind)
        return self.post(path, form)

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._session is None:
            trusted = _authorities() if self.base_url.startswith("https:") else True
            connector = aiohttp.TCPConnector(limit=_ANY_NUMBER, keepalive_timeout=_KEPT_S, ssl=trusted)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,  # no proxy of the environment's
            )
        return self._session


def _authorities() -> ssl.SSLContext:
    """Those that this machine trusts, or that SSL_CERT_FILE or SSL_CERT_DIR name."""
    context = ssl.create_default_context()
    if not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        context.load_verify_locations(certifi.where())  # a bare container has none of its own
    return context


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LONGEST_REFUSAL:
            break
    raise StatusError(response.status, body)


def _said(body: bytes) -> Mapping[str, Any]:
    """What a refusal says: OpenAI's ``error``, or the object itself, as of vLLM."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    inner = answer.get("error", answer) if isinstance(answer, dict) else None
    return inner if isinstance(inner, dict) else {}


async def whole(response: aiohttp.ClientResponse) -> Any:
    """An answer in one piece, read as JSON whatever its header says.

    Raises:
        ValueError: it is none.
    """
    return json.loads(await response.read())


async def stream_events(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any], None]:
    """What the events of a streamed answer hold, up to ``[DONE]``.

    Raises:
        EventError: one tells of a fault.
        ValueError: one is no JSON.
        TypeError: there are none, but one JSON document.
    """
    events, began, came = EventStream(), b"", False
    async for piece in response.content.iter_any():
        began = began or piece.lstrip()[:1]
        for data in events.push(piece):
            came = True
            if data.startswith("[DONE]"):
                await read_to_the_end(response)
                return
            event = json.loads(data)
            if error := event.get("error"):
                raise EventError(error)
            yield event
    if began == b"{" and not came:
        raise TypeError("one JSON document in place of a stream: the server must know `stream`")


async def read_to_the_end(response: aiohttp.ClientResponse) -> None:
    """What is read to its end leaves its connection to the next request; a server that is slow to end loses it.

    One that breaks off here loses it too, and nothing else: the answer is whole, and to ask again might run its tools
    twice.
    """
    with suppress(Exception):
        async with asyncio.timeout(_LAST_BYTES_S):
            async for _ in response.content.iter_any():
                pass


async def probe(server: OpenAiServer, who: str) -> int:
    """Ask for the list of models, which costs nothing and which many servers do not have.

    Returns:
        The HTTP status: below 400, or 404 and the like of a server that serves but lists nothing.

    Raises:
        RefusedEngineError: the key is not accepted.
        UnavailableEngineError: nobody answers, or the server is in trouble.
    """
    try:
        async with asyncio.timeout(_PROBE_S), server.get("/models") as response:
            await response.read()
            return response.status
    except StatusError as error:
        if error.status in {401, 403}:
            raise fault_of(error, who) from error
        if error.status >= 500:
            raise UnavailableEngineError(f"{who} at {server.base_url} answers {error.status}") from error
        return error.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UnavailableEngineError(f"{who} does not answer at {server.base_url}: {reason(error)}") from error


@contextmanager
def faults(who: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes the EngineError that it means."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        raise fault_of(error, who) from error


def fault_of(error: Exception, who: str) -> EngineError:
    """The EngineError that an exception of a request means; ``who`` begins its text."""
    if isinstance(error, StatusError):
        return _status_fault(error, who)
    if isinstance(error, EventError):
        return _event_fault(error, who)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return UnsentEngineError(f"{who} can't be reached: {reason(error)}")
    if isinstance(error, TimeoutError):
        return TransientEngineError(f"{who} did not answer in time")
    if isinstance(error, aiohttp.ClientError | OSError):
        return TransientEngineError(f"{who}: connection lost: {type(error).__name__} {error}".rstrip())
    return BrokenEngineError(f"{who} sent what can't be understood: {type(error).__name__}: {error}")


def status_fault(status: int, text: str, *, code: str | None = None) -> EngineError:
    """The EngineError that an HTTP status means, where it says nothing of one request but of the server or the key."""
    if status == 429 and code == "insufficient_quota":
        return RefusedEngineError(text)
    if status in _PASSING_STATUS or status >= 500:
        return TransientEngineError(text)
    return RefusedEngineError(text)


def _status_fault(error: StatusError, who: str) -> EngineError:
    text = f"{who} answered {error.status}: {error.message}"
    of_the_model = error.param == "model" or any(words in error.message for words in _UNKNOWN_TO_A_GATEWAY)
    if error.status in _OF_THIS_REQUEST and not of_the_model:
        return BrokenEngineError(text)
    return status_fault(error.status, text, code=error.code)


def _event_fault(error: EventError, who: str) -> EngineError:
    """A fault that came as an event, after the answer had begun."""
    text = f"{who} broke off: {error}"
    if error.kind in {"authentication_error", "permission_error", "insufficient_quota"}:
        return RefusedEngineError(text)
    if error.kind == "invalid_request_error":
        return BrokenEngineError(text)  # as its status, 400: of one session, that has grown too long, not of the next
    return TransientEngineError(text)
