"""Every error as ``application/problem+json`` (RFC 9457), whoever raised it; no internals leave the host."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aiohttp import web

from openclaw_actors.errors import RefusalError
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
"""What the logs and the client both have: ``X-Request-Id`` of the response, ``request_id`` of a problem."""

_OF_AIOHTTP = {
    404: ("not_found", "There is nothing under this path."),
    405: ("method_not_allowed", "This path does not take this method; Allow names those it takes."),
    413: ("body_too_large", "The body is longer than limits.body_bytes allows."),
}
"""Its own pages say it in HTML or plain text."""


def problem(
    request: web.Request,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] = MappingProxyType({}),
    **more: Any,
) -> web.Response:
    """A problem as a response.

    Args:
        request: what it answers.
        status: the HTTP status.
        code: a stable word that programs compare.
        detail: what is wrong and what to do.
        headers: more headers.
        **more: further members of the object.
    """
    body = {
        # With about:blank the title is the status's own phrase (RFC 9457 §4.2.1); ``code`` is what tells them apart.
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.get(REQUEST_ID, ""),
        **more,
    }
    return web.Response(
        body=json.dumps(body).encode(), status=status, content_type="application/problem+json", headers=headers
    )


class InvalidFieldsError(RefusalError):
    """A body or a query has the wrong shape: 422. ``fields`` has each field's dotted name and what is wrong with it."""

    def __init__(self, fields: list[dict[str, str]], code: str = "invalid_fields") -> None:
        said = "; ".join(f"{each['field'] or 'body'}: {each['detail']}" for each in fields)
        super().__init__(422, code, said)
        self.fields = fields


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem."""
    try:
        return await handler(request)
    except InvalidFieldsError as refusal:
        return problem(request, refusal.status, refusal.code, refusal.detail, errors=refusal.fields)
    except RefusalError as refusal:
        return problem(request, refusal.status, refusal.code, refusal.detail, refusal.headers)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        code, detail = _OF_AIOHTTP.get(error.status, (f"http_{error.status}", error.reason))
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
        return problem(request, error.status, code, detail, kept)
    except Exception:
        log.exception("request failed", route=route_of(request), method=request.method)
        return problem(
            request, 500, "internal_error", "Something broke on our side; the log has it under this request_id."
        )


def route_of(request: web.Request) -> str:
    """The route's template, such as ``/webrtc/sessions/{secret}``: bounded, and free of secrets."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
