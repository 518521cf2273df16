"""Where a request goes, by what stands in it; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from openclaw_actors.api.whip import RESUME_HEADER
from openclaw_actors.names import HOST, host_of_call, host_of_session, host_of_token

_CALL_PATH = re.compile(r"/v1/calls/([^/]+)(/.*)?")
_SESSION_PATH = re.compile(r"/webrtc/sessions/([^/]+)")
_STREAM_PATH = re.compile(r"/voice(?:/[a-z]+)?/stream/([^/]+)")
_OF_ONE_HOST = frozenset({"/v1/node", "/v1/node/drain", "/v1/node/restart", "/metrics"})


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request goes.

    Args:
        to: ``place``: to a host that takes a new call. ``host``: to that one, or where it is gone ``otherwise``.
            ``any``: to any. ``machine``: to all hosts of this machine, whose answers are added up. ``calls``: to all,
            whose lists are merged. ``events``: likewise their streams. ``front``: the front answers itself.
            ``carrier``: as its body says, which a carrier alone can read.
        host: that is named.
        otherwise: what becomes of it where that host is gone; empty: it is refused.
    """

    to: Literal["place", "host", "any", "machine", "calls", "events", "front", "carrier"]
    host: str = ""
    otherwise: Literal["", "place", "any"] = ""


def needs_body(method: str, path: str) -> bool:
    """Whether ``way_of`` needs the body, or it must be kept to be sent again."""
    new = path in {"/webrtc/offer", "/webrtc/whip", "/v1/calls"}
    return method == "POST" and (new or path.startswith("/voice/"))


def way_of(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes = b"") -> Way:
    """Where a request goes.

    Args:
        method: of the request.
        path: decoded.
        query: likewise.
        headers: in any case.
        body: where ``needs_body`` says so.
    """
    if path in {"/livez", "/readyz"}:
        return Way("front")
    if path in _OF_ONE_HOST:
        return _of_one(path, query.get("host", ""))
    if found := _CALL_PATH.fullmatch(path):
        return _to(host_of_call(found[1]), "any")
    if found := _SESSION_PATH.fullmatch(path):
        return _to(host_of_session(found[1]), "any")
    if found := _STREAM_PATH.fullmatch(path):
        return _to(found[1] if HOST.fullmatch(found[1]) else "", "any")
    return _by_name(method, path, query, headers, body)


def _by_name(  # noqa: PLR0911 - one for each
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Way:
    match method, path:
        case "POST", "/webrtc/offer":
            return _to(host_of_token(_resume_of(body)), "place")
        case "POST", "/webrtc/whip":
            return _to(host_of_token(headers.get(RESUME_HEADER, "")), "place")
        case "POST", "/v1/calls":
            return Way("place")
        case "GET", "/v1/calls" if query.get("live", "").lower() in {"true", "1", "yes", "on", "t", "y"}:
            return Way("calls")
        case "GET", "/v1/events":
            return Way("events")
        case "POST", _ if path.startswith("/voice/"):
            return Way("carrier")
    return Way("any")


def _of_one(path: str, host: str) -> Way:
    if host:
        return Way("host", host)
    return Way("front" if path == "/metrics" else "machine")


def _to(host: str, otherwise: Literal["place", "any"]) -> Way:
    return Way("host", host, otherwise) if host else Way(otherwise)


def _resume_of(body: bytes) -> str:
    try:
        offer = json.loads(body)
    except ValueError:
        return ""  # a host will say what is wrong with it
    resume = offer.get("resume") if isinstance(offer, dict) else None
    return resume if isinstance(resume, str) else ""
