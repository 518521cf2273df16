"""What the faults of a Realtime WebSocket mean: of its handshake, of its error events, of its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import openai
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from openclaw_actors.engines.openai_service import status_fault
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
)

NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
"""The code of the error that answers a commit of less than 100 ms."""

UNINTELLIGIBLE = "audio_unintelligible"
"""The code of a failed transcription in which there were no words."""

_PASSING_CODES = {"session_expired", "rate_limit_exceeded", "server_error"}
"""A session ends after 60 minutes, by an error of type ``invalid_request_error``; another one may be had at once."""

_PASSING_TYPES = {"server_error", "rate_limit_error", "rate_limit_exceeded"}

_REFUSING_CODES = {"invalid_api_key", "insufficient_quota", "model_not_found", "invalid_model", "unknown_parameter"}
_REFUSING_TYPES = {"authentication_error", "permission_error", "insufficient_quota"}

_REFUSING_CLOSES = {1008, 3000, 3003}
"""Policy violation, unauthorised, forbidden (RFC 6455 §7.4.1, IANA's registry). All others leave hope."""


def connection_fault(error: Exception, who: str) -> EngineError:
    """The EngineError that an exception of the ``openai`` and ``websockets`` packages means."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, InvalidStatus):
        body = bytes(error.response.body or b"")
        said = _error_of(body)
        text = (
            f"{who} answered {error.response.status_code}: {said.get('message') or body[:200].decode(errors='replace')}"
        )
        return status_fault(error.response.status_code, text, code=said.get("code"))
    if isinstance(error, ConnectionClosed):
        return close_fault(error, who)
    if isinstance(error, TimeoutError):
        return TransientEngineError(f"{who} did not answer in time")
    if isinstance(error, OSError | InvalidHandshake | openai.OpenAIError):
        return TransientEngineError(f"{who}: no connection: {type(error).__name__} {error}".rstrip())
    return BrokenEngineError(f"{who} sent what can't be understood: {type(error).__name__}: {error}")


def close_fault(error: ConnectionClosed, who: str) -> EngineError:
    """The EngineError that the end of a connection means."""
    received = error.rcvd
    if received is None:
        return TransientEngineError(f"{who} broke off the connection")
    text = f"{who} closed the connection ({received.code} {received.reason})".replace(" )", ")")
    return RefusedEngineError(text) if received.code in _REFUSING_CLOSES else TransientEngineError(text)


def event_fault(error: Mapping[str, Any], who: str) -> EngineError:
    """The EngineError that the ``error`` of an event means; passing unless it is known not to be."""
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    text = f"{who}: {error.get('message') or code or kind or 'an error without a text'}"
    if code in _PASSING_CODES or kind in _PASSING_TYPES:
        return TransientEngineError(text)
    if code in _REFUSING_CODES or kind in _REFUSING_TYPES:
        return RefusedEngineError(text)
    if kind == "invalid_request_error":
        return BrokenEngineError(text)
    return TransientEngineError(text)


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
