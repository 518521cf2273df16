"""Why a server could not be reached, in words that an operator can use."""

from __future__ import annotations

import os

import aiohttp


def reason(error: BaseException) -> str:
    """One line: ``Connection refused``, ``Name or service not known``.

    aiohttp's own names the TLS context by its address in memory, and says of a refused connection that a call failed.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, aiohttp.ClientConnectorError):
        cause = cause.__cause__  # a package's own stand before those of the aiohttp beneath it
    if cause is None or isinstance(cause, aiohttp.ClientSSLError):
        return str(error) or type(error).__name__
    number = cause.os_error.errno or 0
    # Look-ups have negative numbers, which only their own words explain.
    return os.strerror(number) if number > 0 else cause.os_error.strerror or str(cause.os_error)
