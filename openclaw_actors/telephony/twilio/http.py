"""How the ``twilio`` package asks over our own HTTP client: its own would block, or uses what aiohttp gives up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from openclaw_actors.observability.logs import get_logger


class SessionClient(AsyncHttpClient):  # type: ignore[misc]  # the package has no types
    """An AsyncHttpClient on one pool of connections. Belongs to the running loop.

    Args:
        timeout_s: for one request.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(get_logger(__name__), True, timeout_s)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))

    async def request(  # noqa: PLR0917 - the package's
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the session's holds
        allow_redirects: bool = False,
    ) -> Response:
        """One request; an answer with an error status is an answer."""
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._session.request(
            method, uri, params=params, data=data, headers=sent, allow_redirects=allow_redirects
        ) as answer:
            return Response(answer.status, await answer.text(), answer.headers)

    async def download(self, uri: str, auth: tuple[str, str], most_bytes: int) -> tuple[int, bytes]:
        """Status and body of a file; what is longer than ``most_bytes`` is cut off there."""
        sent = {"Authorization": aiohttp.encode_basic_auth(*auth)}
        async with self._session.get(uri, headers=sent, max_redirects=3) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) >= most_bytes:
                    break
            return answer.status, bytes(body[:most_bytes])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()
