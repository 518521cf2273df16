"""``openclaw-actors nodes``: the hosts of a cluster, and how they are started anew without a call that fails."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from openclaw_actors.cli.options import DEFAULT_URL, HostOptions, Insecure, Json, Token, Url

app = typer.Typer(help="List the hosts of a cluster, or restart them one by one.", invoke_without_command=True)

LONGEST_S = 3600.0
"""That calls may last, as they come (calls.max_duration_s)."""


def _work() -> Any:
    return importlib.import_module("openclaw_actors.cli.nodes_run")


@app.callback()
def nodes(
    context: typer.Context,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """List the hosts: calls, places, whether they take more."""
    options = context.obj = HostOptions(url, token, insecure, as_json)
    if context.invoked_subcommand is None:
        _work().list_nodes(options)


@app.command()
def restart(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these; without names, all.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that each may take to drain.")] = LONGEST_S,
) -> None:
    """Drain host after host, and restart each when its last call has ended: no call fails by it."""
    _work().restart_nodes(context.obj, names or [], timeout)
