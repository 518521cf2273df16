"""What the commands that steer a host share: how it is named, and how its refusals end a command."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn, TypeVar

import typer

from openclaw_actors.cli.options import HostOptions
from openclaw_actors.client import ApiError, Client, NoConnectionError

EXIT_REFUSED = 1
"""The host said no, or a check failed."""
EXIT_NO_HOST = 3
"""The host can't be reached. (2 is wrong usage, as everywhere.)"""
EXIT_INTERRUPTED = 130

Result = TypeVar("Result")


def on_host(options: HostOptions, work: Callable[[Client], Awaitable[Result]]) -> Result:
    """Do ``work`` on the host.

    Raises:
        typer.Exit: EXIT_REFUSED or EXIT_NO_HOST, the reason on standard error; EXIT_INTERRUPTED at Ctrl-C.
    """

    async def run() -> Result:
        async with Client(options.url, options.token, verify_tls=not options.insecure) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ApiError as error:
        problem = {"status": error.status, "code": error.code, "detail": error.detail}
        _leave(options, problem, _advice(error), EXIT_REFUSED)
    except NoConnectionError as error:
        said = {"status": None, "code": "no_connection", "detail": str(error)}
        _leave(options, said, f"{error}; is the host running there? (--url)", EXIT_NO_HOST)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`: leave without a second fault at the interpreter's end.
        sys.stdout = None
        raise typer.Exit(EXIT_REFUSED) from None


def _advice(error: ApiError) -> str:
    hint = " (--token or OPENCLAW_ACTORS_TOKEN)" if error.status in {401, 403} else ""
    return f"{error.detail} [{error.code}]{hint}"


def _leave(options: HostOptions, problem: Mapping[str, object], words: str, status: int) -> NoReturn:
    typer.echo(json.dumps({"error": problem}) if options.as_json else f"error: {words}", err=True)
    raise typer.Exit(status)
