"""The browser page and the client module, as they lie in the package's ``console`` folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import hdrs, web

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wav": "audio/wav",
    ".txt": "text/plain",
}
"""Only these are served. Not by mimetypes, which asks the machine's registry."""
_TEXT = frozenset({".html", ".css", ".js", ".svg", ".txt"})

_POLICY = (
    "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""No inline script or style, nothing from elsewhere, not in anybody's frame. Recordings are played from memory (blob:),
as an audio element can't send a token."""
PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    content_type: str
    charset: str | None
    tag: str


class Console:
    """The assets, read into memory when the server starts: what is not in the table can't be reached by any path."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self._assets = dict(_read(folder or files("openclaw_actors") / "console"))

    async def page(self, request: web.Request) -> web.Response:
        """``GET /``."""
        return self.serve(request, "index.html")

    async def client(self, request: web.Request) -> web.Response:
        """``GET /client.js``: for one's own page."""
        return self.serve(request, "client.js")

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /console/{name}``."""
        return self.serve(request, request.match_info["name"])

    def serve(self, request: web.Request, name: str) -> web.Response:
        """The asset of this name; 404 when there is none."""
        asset = self._assets.get(name)
        if asset is None:
            raise web.HTTPNotFound
        # The names stay while the contents change, so a browser asks each time and mostly hears 304.
        caching: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: f'"{asset.tag}"'}
        if any(each.value in (asset.tag, "*") for each in request.if_none_match or ()):
            return web.Response(status=304, headers=caching)
        headers = caching | (PAGE_HEADERS if asset.content_type == "text/html" else {})
        return web.Response(body=asset.body, content_type=asset.content_type, charset=asset.charset, headers=headers)


def _read(folder: Traversable, above: str = "") -> Iterator[tuple[str, _Asset]]:
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if entry.is_dir():
            yield from _read(entry, f"{above}{entry.name}/")
        elif suffix in _TYPES and not entry.name.startswith("."):
            body = entry.read_bytes()
            charset = "utf-8" if suffix in _TEXT else None
            yield f"{above}{entry.name}", _Asset(body, _TYPES[suffix], charset, hashlib.sha256(body).hexdigest()[:20])
