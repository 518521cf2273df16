"""Options that several commands have. Imports nothing heavy: every command waits for this file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

Url = Annotated[str, typer.Option("--url", envvar="OPENCLAW_ACTORS_URL", help="The host.")]
Token = Annotated[str, typer.Option("--token", envvar="OPENCLAW_ACTORS_TOKEN", help="Bearer token.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take a self-signed certificate.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Which host, as whom, and for whose eyes."""

    url: str
    token: str
    insecure: bool
    as_json: bool


_OF_HOST: dict[str, tuple[Any, Any]] = {
    "url": (Url, DEFAULT_URL),
    "token": (Token, ""),
    "insecure": (Insecure, False),
    "as_json": (Json, False),
}
"""The members of HostOptions as options: type and default."""


def of_host(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a host; it is given them as its first argument.

    typer reads options from a function's signature, so what it gets here shows the command's own and then these.
    """
    hints = get_type_hints(command, include_extras=True)
    _, *own = inspect.signature(command).parameters.values()
    shown = {each.name: each.replace(annotation=hints[each.name]) for each in own}
    for name, (kind, default) in _OF_HOST.items():
        shown[name] = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)

    @wraps(command)
    def asked(**given: Any) -> None:
        host = HostOptions(**{name: given.pop(name) for name in _OF_HOST})
        command(host, **given)

    asked.__signature__ = inspect.Signature([*shown.values()])  # type: ignore[attr-defined] # as of any function
    asked.__annotations__ = {name: each.annotation for name, each in shown.items()}
    return asked
