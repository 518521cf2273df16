"""What is noted of every request: id, count, time, a line in the log. Never a path, which may hold a secret."""

from __future__ import annotations

import secrets
import time

import structlog
from aiohttp import hdrs, web

from openclaw_actors.api.problems import REQUEST_ID, Handler, route_of
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
"""A client may invent others; as labels they would be without bound."""
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds by machines: they are logged as debug."""
_GONE = 499
"""The client left before the answer; nginx's number for it, as HTTP has none."""


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time the request and give it an id, which everything logged meanwhile carries."""
    request_id = secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    began = time.perf_counter()
    status, streamed = _GONE, False
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        try:
            response = await handler(request)
            status, streamed = response.status, _lasts(response)
        finally:
            _note(request, status, time.perf_counter() - began, streamed=streamed)
        return response


def _lasts(response: web.StreamResponse) -> bool:
    """Whether it lasts as long as its reader likes."""
    return isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"


def _note(request: web.Request, status: int, seconds: float, *, streamed: bool) -> None:
    route = route_of(request)
    method = request.method if request.method in _METHODS else "other"
    metrics.http_requests_total.labels(route=route, method=method, code=str(status)).inc()
    if not streamed:
        metrics.http_request_seconds.observe(seconds)
    write = log.debug if route in _PROBES else log.info
    write("request", route=route, method=method, status=status, seconds=round(seconds, 4))


async def label(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every response has. A hook for ``on_response_prepare``."""
    response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    # Answers hold call ids, tokens, states of the moment; only the console's assets may be kept.
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    # Which version of aiohttp it is helps nobody but an attacker.
    response.headers[hdrs.SERVER] = "openclaw-actors"
