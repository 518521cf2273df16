"""Reading a JSON body from somebody who may not mean well: bounded in type, size, time and shape."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from openclaw_actors.api.problems import InvalidFieldsError
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Limits

Body = TypeVar("Body", bound=BaseModel)


async def read_json(request: web.Request, shape: type[Body], limits: Limits) -> Body:
    """Read the body and check its shape.

    Raises:
        RefusalError: 400 ``no_body`` or ``bad_json``, 408 ``slow_body``, 413 ``body_too_large``,
            415 ``unsupported_media_type``, 422 ``invalid_fields``.
    """
    if not request.can_read_body:
        raise RefusalError(400, "no_body", "The request has no body; send a JSON object.")
    if request.content_type != "application/json":
        raise RefusalError(
            415,
            "unsupported_media_type",
            "Send JSON, with Content-Type: application/json.",
            {"Accept": "application/json"},
        )
    if (request.content_length or 0) > limits.body_bytes:
        raise _too_large(limits)
    try:
        # aiohttp has no such limit of its own: a body sent in half would be waited for for ever.
        async with asyncio.timeout(limits.body_timeout_s):
            raw = await request.read()
    except TimeoutError:
        raise RefusalError(
            408, "slow_body", f"The body did not come within {limits.body_timeout_s:g} s.", {"Connection": "close"}
        ) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(limits) from None
    except web.RequestPayloadError as error:
        raise RefusalError(400, "bad_body", "The body can't be read: its encoding is broken.") from error
    if not raw.strip():
        raise RefusalError(400, "no_body", "The body is empty; send a JSON object.")
    return _parse(raw, shape)


def _parse(raw: bytes, shape: type[Body]) -> Body:
    try:
        return shape.model_validate_json(raw, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise RefusalError(400, "bad_json", f"The body is not JSON: {faults[0]['ctx']['error']}.") from None
        raise InvalidFieldsError(
            [{"field": ".".join(map(str, each["loc"])), "detail": each["msg"]} for each in faults]
        ) from None


def _too_large(limits: Limits) -> RefusalError:
    return RefusalError(413, "body_too_large", f"The body is longer than {limits.body_bytes} bytes.")
