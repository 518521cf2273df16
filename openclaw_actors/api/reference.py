"""``/openapi.json`` and the page at ``/docs`` that shows it; nothing of either comes from elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files

from aiohttp import hdrs, web

from openclaw_actors.api.console import Console
from openclaw_actors.api.openapi import document
from openclaw_actors.api.routes import Route

_made: dict[tuple[str, ...], bytes] = {}


class Reference:
    """The API, described."""

    def __init__(self) -> None:
        self._pages = Console(files("openclaw_actors.api") / "reference_pages")
        self._document = b""
        self._tag = ""

    def describe(self, routes: Iterable[Route]) -> None:
        """Make the document, before any call could be disturbed by it (20 ms); it is served from memory.

        Handlers have no part in it, so that all applications of a process share one.
        """
        routes = tuple(routes)
        names = tuple(route.name for route in routes)
        if names not in _made:
            _made[names] = json.dumps(document(routes)).encode()
        self._document = _made[names]
        self._tag = hashlib.sha256(self._document).hexdigest()[:20]

    async def openapi(self, request: web.Request) -> web.Response:
        """``GET /openapi.json``."""
        caching: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: f'"{self._tag}"'}
        if any(each.value in (self._tag, "*") for each in request.if_none_match or ()):
            return web.Response(status=304, headers=caching)
        return web.Response(body=self._document, content_type="application/json", headers=caching)

    async def page(self, request: web.Request) -> web.Response:
        """``GET /docs``."""
        return self._pages.serve(request, "index.html")

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /docs/{name}``."""
        return self._pages.serve(request, request.match_info["name"])
