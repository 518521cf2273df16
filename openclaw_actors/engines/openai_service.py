"""What engines that speak with an OpenAI-compatible server share: the client, the probe, and what its faults mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import aiohttp
import openai

from openclaw_actors.engines.connection_faults import reason
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
    UnsentEngineError,
)

OPENAI_URL = "https://api.openai.com/v1"
"""Where a key without a ``base_url`` belongs to."""

_PROBE_S = 5.0
"""A local server answers in milliseconds, a far one in half a second; start-up must not wait longer."""

_CONNECT_S = 3.0
_KEPT_S = 60.0
"""How long a connection is kept open for the next request. The package's 5 s are shorter than most turns, so each one
would pay for TCP and TLS anew: two round trips, 50-200 ms to a far server. A server that closes sooner is noticed."""
_ANY_NUMBER = 0
"""Of connections. aiohttp's own bound is 100: the next caller's request would wait for another's answer to end."""
_PASSING_STATUS = {408, 409, 425, 429}
_OF_THIS_REQUEST = {400, 413, 422}
"""A content filter, a context that is too long: says nothing of the next caller's request."""
_UNKNOWN_TO_A_GATEWAY = ("Invalid `model`", "Unknown agent")
"""How an OpenClaw Gateway says, with a 400, that it has no such agent: no call's request will be answered."""
_HTTP_PACKAGES = {"httpx", "httpx2", "aiohttp"}
"""openai 2 is built on httpx, 3 on httpx2; what they raise while a body streams is not always wrapped."""


def connect(base_url: str, api_key: str, *, silence_s: float) -> openai.AsyncOpenAI:
    """A client. The settings alone decide where to and as whom, no variable of the environment.

    Args:
        base_url: ends in ``/v1``, mostly.
        api_key: may be empty for servers that want none.
        silence_s: how long the server may send nothing before the request counts as failed.
    """
    timeout = openai.Timeout(silence_s, connect=_CONNECT_S)
    http = import_module(openai.Timeout.__init__.__module__.partition(".")[0])  # httpx in openai 2, httpx2 in openai 3
    client = openai.AsyncOpenAI(
        base_url=base_url or OPENAI_URL,
        api_key=api_key or "none",  # the package refuses to start without one
        max_retries=0,  # the supervisor retries, and a retry of an agent's request could run its tools twice
        timeout=timeout,
        # Over aiohttp: the first byte of a transcript, an answer and a voice comes 3, 5 and 1 ms later than to a bare
        # client, over httpcore 8, 11 and 11 ms; and it is half the work.
        http_client=openai.DefaultAioHttpClient(
            limits=http.Limits(max_connections=_ANY_NUMBER, keepalive_expiry=_KEPT_S),
            trust_env=False,  # no proxy of the environment's
            verify=http.create_ssl_context(),  # but the authorities that this machine trusts: SSL_CERT_FILE
        ),
    )
    client.organization = client.project = None
    client._custom_headers = {}  # noqa: SLF001 - of OPENAI_CUSTOM_HEADERS, which no argument can keep out
    return client


async def probe(client: openai.AsyncOpenAI, who: str) -> int:
    """Ask for the list of models, which costs nothing and which many servers do not have.

    Returns:
        The HTTP status: below 400, or 404 and the like of a server that serves but lists nothing.

    Raises:
        RefusedEngineError: the key is not accepted.
        UnavailableEngineError: nobody answers, or the server is in trouble.
    """
    try:
        async with asyncio.timeout(_PROBE_S):
            answer = await client.models.with_raw_response.list()
    except openai.APIStatusError as error:
        if error.status_code in {401, 403}:
            raise fault_of(error, who) from error
        if error.status_code >= 500:
            raise UnavailableEngineError(f"{who} at {client.base_url} answers {error.status_code}") from error
        return error.status_code
    except (openai.APIConnectionError, TimeoutError, OSError) as error:
        why = reason(error.__cause__ or error)
        raise UnavailableEngineError(f"{who} does not answer at {client.base_url}: {why}") from error
    return answer.status_code


@contextmanager
def faults(who: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes the EngineError that it means."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        raise fault_of(error, who) from error


def fault_of(error: Exception, who: str) -> EngineError:
    """The EngineError that an exception of the ``openai`` package means; ``who`` begins its text."""
    if isinstance(error, openai.APIStatusError):
        return _status_fault(error, who)
    if _has_cause(error, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        return UnsentEngineError(f"{who} can't be reached: {reason(error.__cause__ or error)}")
    was_cut = _has_cause(error, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
    if isinstance(error, openai.APITimeoutError | TimeoutError) and not was_cut:
        return TransientEngineError(f"{who} did not answer in time")
    if isinstance(error, openai.APIConnectionError | OSError) or _of_http(error):
        why = _origin(error)
        return TransientEngineError(f"{who}: connection lost: {type(why).__name__} {why}".rstrip())
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
        return _event_fault(error, who)
    return BrokenEngineError(f"{who} sent what can't be understood: {type(error).__name__}: {error}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What it came from, the nearest first."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def _has_cause(error: Exception, *kinds: type[BaseException]) -> bool:
    """Whether one of these is what it came from.

    What lies between won't do: over aiohttp, httpx's errors call every lost connection one that could not be made.
    """
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _origin(error: Exception) -> BaseException:
    """What is worth to be told: aiohttp's own error, as httpx calls what the server has cut a ``ConnectTimeout``."""
    return next((cause for cause in _causes(error) if isinstance(cause, aiohttp.ClientError)), error.__cause__ or error)


def _of_http(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in _HTTP_PACKAGES


def status_fault(status: int, text: str, *, code: str | None = None) -> EngineError:
    """The EngineError that an HTTP status means, where it says nothing of one request but of the server or the key."""
    if status == 429 and code == "insufficient_quota":
        return RefusedEngineError(text)
    if status in _PASSING_STATUS or status >= 500:
        return TransientEngineError(text)
    return RefusedEngineError(text)


def _status_fault(error: openai.APIStatusError, who: str) -> EngineError:
    text = f"{who} answered {error.status_code}: {error.message}"
    of_the_model = error.param == "model" or any(words in error.message for words in _UNKNOWN_TO_A_GATEWAY)
    if error.status_code in _OF_THIS_REQUEST and not of_the_model:
        return BrokenEngineError(text)
    return status_fault(error.status_code, text, code=error.code)


def _event_fault(error: openai.APIError, who: str) -> EngineError:
    """A fault that came as an event, after the answer had begun."""
    text = f"{who} broke off: {error.message}"
    if error.type in {"authentication_error", "permission_error", "insufficient_quota"}:
        return RefusedEngineError(text)
    if error.type == "invalid_request_error":
        return BrokenEngineError(text)  # as its status, 400: of one session, that has grown too long, not of the next
    return TransientEngineError(text)
