"""The socket: aiohttp's runner with limits for strangers."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass

from aiohttp import http_exceptions, web

from openclaw_actors.settings.sections import Server

_KEEPALIVE_S = 20.0
"""An idle or half-sent head is dropped after it; aiohttp's own default for a runner is an hour."""
_LINGER_S = 2.0
"""How long a refused body is still read, so that the client sees the refusal and not a reset."""
_SHUTDOWN_S = 2.0
"""How long the last responses may take; calls have ended before."""
_LINE_BYTES = 4096
"""The longest request line or header: a bearer token and a browser's own are below 1 KiB."""


class _NoJunk(logging.Filter):
    """Drops the stack trace that aiohttp logs for every stranger who speaks no HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, http_exceptions.HttpProcessingError)


_log = logging.getLogger(__name__)
_log.addFilter(_NoJunk())


@dataclass(frozen=True, slots=True)
class Listener:
    """A server that listens. ``url`` is where a browser on this machine finds it."""

    url: str
    port: int
    runner: web.AppRunner

    async def aclose(self) -> None:
        """Stop listening, let the last responses finish, clean the application up."""
        await self.runner.cleanup()


async def listen(app: web.Application, server: Server, ssl_context: ssl.SSLContext | None = None) -> Listener:
    """Serve ``app``; port 0 takes a free one.

    Raises:
        OSError: the address or the port can't be had.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_log,
        # A client that has gone frees what its request holds (aiohttp documents it as help against floods).
        handler_cancellation=True,
        keepalive_timeout=_KEEPALIVE_S,
        lingering_time=_LINGER_S,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
        shutdown_timeout=_SHUTDOWN_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, server.host, server.port, ssl_context=ssl_context).start()
    except BaseException:
        await runner.cleanup()
        raise
    port: int = runner.addresses[0][1]
    scheme = "https" if ssl_context else "http"
    return Listener(f"{scheme}://{_browsable(server.host)}:{port}", port, runner)


def _browsable(host: str) -> str:
    """A name that a browser on this machine can open: the wildcards are none."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{name}]" if ":" in name else name
