"""A wrong setting ends a command with status 2 and words, never with a stack trace."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from openclaw_actors.errors import SettingsError

EXIT_SETTINGS = 2
"""What shells and click use for wrong usage."""

_ADDRESS_ERRORS = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EAFNOSUPPORT})


@contextmanager
def settings_faults() -> Iterator[None]:
    """Print each fault on standard error, and leave with EXIT_SETTINGS."""
    try:
        yield
    except SettingsError as error:
        _leave(str(error))
    except OSError as error:
        # A resolver's error (a host name that is none) has numbers of its own, below zero.
        if error.errno not in _ADDRESS_ERRORS and (error.errno or 0) >= 0:
            raise
        _leave(f"server.host, server.port: can't listen there ({error}); choose others with --host and --port")


def _leave(text: str) -> None:
    for line in text.splitlines():
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(EXIT_SETTINGS)
