"""Passing a request on to a host's own port, and its answer back; neither is changed on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from openclaw_actors.api.member import FRONT, PEER, SCHEME
from openclaw_actors.api.problems import problem
from openclaw_actors.cluster.report import Report
from openclaw_actors.errors import OpenclawActorsError

_CONNECT_S = 2.0
"""A port on this network that does not take a connection by then is no port any more."""
_SMALL = 65_536
"""Answers of known length up to there are passed on whole: one write, and none that is half sent."""
_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "expect"}
)  # fmt: skip
"""Of one connection, not of the request (RFC 9110 section 7.6.1)."""
_OURS = frozenset({FRONT.lower(), PEER.lower(), SCHEME.lower()})
_OF_SOCKET = "sec-websocket-"


class HostLostError(OpenclawActorsError):
    """The host did not answer.

    Args:
        host: its name.
        sent: it may have done what was asked of it.
    """

    def __init__(self, host: str, sent: bool) -> None:
        super().__init__(f"host {host} does not answer")
        self.host = host
        self.sent = sent


class Forwarder:
    """A front's connections to hosts; an async context.

    Args:
        message_bytes: the longest message of a WebSocket; a longer one ends it with 1009, as at the host.
    """

    def __init__(self, message_bytes: int) -> None:
        self._message_bytes = message_bytes
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0),  # a host drops what is idle for 20 s
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def ask(
        self, host: Report, request: web.Request, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Send the request to the host; its answer, once it begins. Close it.

        Args:
            host: where to.
            request: as it came.
            body: of it, where it was read; None: it is passed on as it comes.
            more: headers in place of its own.

        Raises:
            HostLostError: there is no answer.
        """
        assert self._client is not None  # noqa: S101 - it is open; this tells mypy
        headers = _headers(request, host)
        headers.update(more or {})
        data = body if body is not None else request.content if request.body_exists else None
        try:
            return await self._client.request(
                request.method,
                _at(host, request),
                headers=headers,
                data=data,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            raise HostLostError(host.name, sent=False) from error
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise HostLostError(host.name, sent=True) from error

    async def pass_on(self, host: Report, request: web.Request, body: bytes | None = None) -> web.StreamResponse:
        """Have the host answer the request.

        Raises:
            HostLostError: it did not begin to.
        """
        if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            return await self._join(host, request)
        return await self.pass_back(await self.ask(host, request, body), request)

    async def pass_back(self, answer: aiohttp.ClientResponse, request: web.Request) -> web.StreamResponse:
        """Pass on an answer that has begun; one that breaks off breaks off here too."""
        async with answer:
            headers = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in _HOP)
            if (answer.content_length or 0) <= _SMALL and answer.content_length is not None:
                try:
                    whole = await answer.read()
                except aiohttp.ClientError:
                    _abort(request)
                    return web.Response(status=502)
                if request.method != hdrs.METH_HEAD:
                    headers.popall(hdrs.CONTENT_LENGTH, None)
                return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=whole or None)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except aiohttp.ClientError:
                _abort(request)
            except ConnectionError:
                pass  # the client has left
            return response

    async def _join(self, host: Report, request: web.Request) -> web.StreamResponse:
        """Join two WebSockets: what comes on one goes out on the other, and so does its end."""
        assert self._client is not None  # noqa: S101 - as in ``ask``
        headers = {k: v for k, v in _headers(request, host).items() if not k.lower().startswith(_OF_SOCKET)}
        try:
            far = await self._client.ws_connect(
                _at(host, request), headers=headers, max_msg_size=0, autoclose=False, autoping=False
            )
        except aiohttp.WSServerHandshakeError as error:
            return problem(request, error.status, f"http_{error.status}", "The host did not take this WebSocket.")
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise HostLostError(host.name, sent=False) from error
        near = web.WebSocketResponse(max_msg_size=self._message_bytes, compress=False, autoclose=False, autoping=False)
        async with far:
            await near.prepare(request)
            ways = {asyncio.create_task(_carry(near, far)), asyncio.create_task(_carry(far, near))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                if not near.closed:
                    _abort(request)  # the host has gone without a word: so its client hears none
        return near


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _carry(source: Socket, sink: Socket) -> None:
    while True:
        message = await source.receive()
        with contextlib.suppress(ConnectionError):
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    await sink.send_str(message.data)
                    continue
                case aiohttp.WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                    continue
                case aiohttp.WSMsgType.PING:
                    await sink.ping(message.data)
                    continue
                case aiohttp.WSMsgType.PONG:
                    await sink.pong(message.data)
                    continue
                case aiohttp.WSMsgType.CLOSE:
                    reason = str(message.extra or "").encode()
                    await source.close(code=int(message.data or 1000))
                    await sink.close(code=int(message.data or 1000), message=reason)
        return


def _at(host: Report, request: web.Request) -> URL:
    return URL(host.url + request.raw_path, encoded=True)


def _headers(request: web.Request, host: Report) -> CIMultiDict[str]:
    kept = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in _HOP | _OURS)
    kept[FRONT], kept[PEER], kept[SCHEME] = host.secret, request.remote or "", request.scheme
    return kept


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
