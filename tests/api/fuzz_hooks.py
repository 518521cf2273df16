"""What schemathesis checks beyond its own checks. Loaded by it, in a process of its own."""

from __future__ import annotations

import os
import zlib
from urllib.parse import urlencode

import schemathesis

LINE = 3500
"""api/server.py takes 4096 bytes a line."""
CALLS = [each for each in os.environ.get("FUZZ_CALLS", "").split(",") if each]

SHAPE = {"invalid_fields", "invalid_query"}
"""Codes that say: this is not what the description asks for."""


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def as_it_is(ctx, value) -> bytes:
    """A body of text."""
    return value if isinstance(value, bytes) else str(value or "").encode("utf-8", "surrogatepass")


@schemathesis.check
def described_is_accepted(ctx, response, case) -> None:
    """What fits the description is never refused for its shape; other refusals tell of the state of things.

    Stands in for ``positive_data_acceptance``, which takes each 422 for a breach: ``no_carrier``, or a key that was
    used for another request.
    """
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    if fits and response.status_code == 422 and response.json().get("code") in SHAPE:
        raise AssertionError(f"a request that fits the description is refused for its shape: {response.text}")


@schemathesis.check
def refusals_are_problems(ctx, response, case) -> None:
    """Every refusal is a problem with a code, and a 503 says when to come back."""
    if response.status_code < 400 or case.path == "/readyz":
        return
    assert response.headers["content-type"][0] == "application/problem+json", "a refusal that is no problem"
    if response.status_code == 503:
        assert response.headers.get("retry-after"), "a 503 that does not say when to come back"
    if case.method != "HEAD":
        assert response.json()["code"], "a problem without a code"


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Every other request goes to a call that there is; but hangup, after which there would be none."""
    if ctx.operation is not None and ctx.operation.path.endswith("/hangup"):
        return path_parameters
    if CALLS and path_parameters and "call_id" in path_parameters:
        chance = zlib.crc32(repr(path_parameters["call_id"]).encode())
        if chance % 2:
            path_parameters["call_id"] = CALLS[chance // 2 % len(CALLS)]
    return path_parameters


@schemathesis.hook
def filter_query(ctx, query):
    """Leave out what is longer than a line may be: aiohttp refuses it before there is a route, in its own words."""
    return query is None or len(urlencode(query, doseq=True)) < LINE


@schemathesis.hook
def filter_headers(ctx, headers):
    """As filter_query."""
    return headers is None or all(len(str(value)) < LINE for value in headers.values())
