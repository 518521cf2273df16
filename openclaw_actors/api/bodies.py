"""Reading bodies and queries from somebody who may not mean well: bounded in type, size, time and shape."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from openclaw_actors.api.problems import InvalidFieldsError
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Limits

Shape = TypeVar("Shape", bound=BaseModel)


async def read_json(
    request: web.Request, shape: type[Shape], limits: Limits, *, optional: bool = False, body_bytes: int = 0
) -> Shape:
    """Read the body and check its shape.

    Args:
        request: the request.
        shape: the body's model.
        limits: how long, how slow.
        optional: no body stands for an empty object.
        body_bytes: how long it may be; 0 for ``limits.body_bytes``.

    Raises:
        RefusalError: 400 ``no_body``, ``bad_body`` or ``bad_json``, 408 ``slow_body``, 413 ``body_too_large``,
            415 ``unsupported_media_type``, 422 ``invalid_fields``.
    """
    if not request.can_read_body:
        if optional:
            return parse_json(b"{}", shape)
        raise RefusalError(400, "no_body", "The request has no body; send a JSON object.")
    if request.content_type != "application/json":
        raise RefusalError(
            415,
            "unsupported_media_type",
            "Send JSON, with Content-Type: application/json.",
            {"Accept": "application/json"},
        )
    raw = await read_raw(request, limits, body_bytes)
    if not raw.strip():
        if optional:
            return parse_json(b"{}", shape)
        raise RefusalError(400, "no_body", "The body is empty; send a JSON object.")
    return parse_json(raw, shape)


async def read_raw(request: web.Request, limits: Limits, body_bytes: int = 0) -> bytes:
    """Read the body as it is.

    Raises:
        RefusalError: 400 ``bad_body``, 408 ``slow_body``, 413 ``body_too_large``.
    """
    body_bytes, timeout_s = body_bytes or limits.body_bytes, limits.body_timeout_s
    if (request.content_length or 0) > body_bytes:
        raise _too_large(body_bytes)
    raw = bytearray()
    try:
        # aiohttp has no such limit of its own: a body sent in half would be waited for for ever.
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > body_bytes:
                    raise _too_large(body_bytes)
    except TimeoutError:
        raise RefusalError(
            408, "slow_body", f"The body did not come within {timeout_s:g} s.", {"Connection": "close"}
        ) from None
    except web.RequestPayloadError as error:
        raise RefusalError(400, "bad_body", "The body can't be read: its encoding is broken.") from error
    return bytes(raw)


def parse_json(raw: bytes, shape: type[Shape]) -> Shape:
    """Check the shape of a JSON text.

    Raises:
        RefusalError: 400 ``bad_json``, 422 ``invalid_fields``.
    """
    try:
        return shape.model_validate_json(raw, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise RefusalError(400, "bad_json", f"The body is not JSON: {faults[0]['ctx']['error']}.") from None
        raise InvalidFieldsError(_named(faults)) from None


def read_query(request: web.Request, shape: type[Shape]) -> Shape:
    """Check the query's members; each may come once.

    Raises:
        RefusalError: 422 ``invalid_query``.
    """
    twice = sorted({name for name in request.query if len(request.query.getall(name)) > 1})
    if twice:
        raise InvalidFieldsError([{"field": name, "detail": "it may come once"} for name in twice], "invalid_query")
    try:
        return shape.model_validate_strings(dict(request.query))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise InvalidFieldsError(_named(faults), "invalid_query") from None


def _named(faults: Sequence[ErrorDetails]) -> list[dict[str, str]]:
    return [{"field": ".".join(map(str, each["loc"])), "detail": each["msg"]} for each in faults]


def _too_large(body_bytes: int) -> RefusalError:
    return RefusalError(413, "body_too_large", f"The body is longer than {body_bytes} bytes.")
