"""Options that several commands have. Imports nothing heavy: every command waits for this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

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
