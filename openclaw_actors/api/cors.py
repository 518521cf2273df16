"""Pages of other origins: refused unless listed, and answered by the CORS protocol (Fetch standard) when listed."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from openclaw_actors.api.problems import Handler
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Settings

_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Openclaw-Resume-Token"
_EXPOSED_HEADERS = (
    "ETag, Idempotent-Replayed, Link, Location, Openclaw-Call-Id, Openclaw-Resume-Token, Retry-After, X-Request-Id"
)
_PREFLIGHT_SECONDS = "600"
"""How long a browser may remember a preflight; Chromium caps it at 7200."""


class Origins:
    """The allow-list of exact origins. Credentials by cookie are not used, so none are allowed."""

    def __init__(self, settings: Settings) -> None:
        self._listed = frozenset(settings.cors.allow_origins)
        self._public_authority = urlsplit(settings.server.public_url).netloc.lower()

    def _is_foreign(self, request: web.Request) -> bool:
        """Whether a page asks that is neither our own nor a listed origin's."""
        origins = request.headers.getall(hdrs.ORIGIN, ())
        if not origins:
            return False
        # Authorities, not whole origins: behind a proxy that ends TLS we see http where the page was https.
        authority = origins[0].lower().partition("://")[2]
        own = {request.headers.get(hdrs.HOST, "").lower(), self._public_authority} - {""}
        return len(origins) > 1 or not (authority in own or origins[0] in self._listed)

    def middleware(self) -> web.middlewares.Middleware:  # type: ignore[name-defined]
        """Refuse foreign pages whatever they ask, and answer preflights: those carry no token."""

        @web.middleware
        async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self._is_foreign(request):
                raise RefusalError(
                    403,
                    "origin_not_allowed",
                    "Pages of this origin may not use this host; its operator can add the origin to "
                    "cors.allow_origins, exactly as the Origin header writes it.",
                )
            missing = request.match_info.http_exception
            if request.method == hdrs.METH_OPTIONS and isinstance(missing, web.HTTPMethodNotAllowed):
                return _options(request, missing.allowed_methods)
            return await handler(request)

        return cors

    async def label(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a listed origin's page read the response, errors too. A hook for ``on_response_prepare``."""
        if not self._listed:
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN, "")
        if origin in self._listed:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED_HEADERS


def _options(request: web.Request, methods: set[str]) -> web.Response:
    allowed = ", ".join(sorted({*methods, hdrs.METH_OPTIONS}))
    headers: dict[str, str] = {hdrs.ALLOW: allowed}
    if request.path == "/webrtc/whip":
        headers["Accept-Post"] = "application/sdp"  # RFC 9725 section 4.2
    if hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers and hdrs.ORIGIN in request.headers:
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = allowed
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _ALLOWED_HEADERS
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_SECONDS
    return web.Response(status=204, headers=headers)
