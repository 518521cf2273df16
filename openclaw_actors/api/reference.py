"""``/openapi.json`` and the page at ``/docs`` that shows it; nothing of either comes from elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files

from aiohttp import hdrs, web

from openclaw_actors.api.console import Console
from openclaw_actors.api.openapi import document
from openclaw_actors.api.routes import Route

_made: dict[tuple[str, ...], tuple[bytes, str]] = {}
"""Documents and their tags, by the names of their routes."""


class Reference:
    """The API, described."""

    def __init__(self) -> None:
        self._pages = Console(files("openclaw_actors.api") / "reference_pages")
        self._routes: tuple[Route, ...] = ()
        self._making = asyncio.Lock()

    def describe(self, routes: Iterable[Route]) -> None:
        """These are what the API has. Handlers have no part in it: all applications of a process share one document."""
        self._routes = tuple(routes)

    async def _made(self) -> tuple[bytes, str]:
        """The document and its tag: made when it is first asked for, since that would be 0.15 s of each start.

        In a thread: no call is to be disturbed by it.
        """
        names = tuple(route.name for route in self._routes)
        async with self._making:
            if names not in _made:
                _made[names] = await asyncio.to_thread(_make, self._routes)
        return _made[names]

    async def openapi(self, request: web.Request) -> web.Response:
        """``GET /openapi.json``."""
        text, tag = await self._made()
        caching: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: f'"{tag}"'}
        if any(each.value in (tag, "*") for each in request.if_none_match or ()):
            return web.Response(status=304, headers=caching)
        return web.Response(body=text, content_type="application/json", headers=caching)

    async def page(self, request: web.Request) -> web.Response:
        """``GET /docs``."""
        return self._pages.serve(request, "index.html")

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /docs/{name}``."""
        return self._pages.serve(request, request.match_info["name"])


def _make(routes: tuple[Route, ...]) -> tuple[bytes, str]:
    text = json.dumps(document(routes)).encode()
    return text, hashlib.sha256(text).hexdigest()[:20]
