"""What ``nodes`` does."""

from __future__ import annotations

import asyncio
import time

import typer
from rich.console import Console
from rich.table import Table

from openclaw_actors.cli.hosts import EXIT_REFUSED, on_host
from openclaw_actors.cli.options import HostOptions
from openclaw_actors.cli.remote import local_time, print_json
from openclaw_actors.client import ApiError, Client, Node

_POLL_S = 0.5
_UP_S = 120.0
"""A host is started anew in 5 s; a machine that starts many at once, or fetches a model, takes longer."""


def list_nodes(options: HostOptions) -> None:
    """``nodes``."""
    found = on_host(options, lambda client: client.nodes())
    if options.as_json:
        print_json({"nodes": found})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("host", "calls", "limit", "state", "started"):
        table.add_column(heading, no_wrap=True)
    for node in found:
        table.add_row(
            node["name"] or "(alone)",
            str(node["calls"]),
            str(node["limit"]),
            _state(node),
            local_time(node["started_at"]),
        )
    Console().print(table)


def _state(node: Node) -> str:
    if node["draining"]:
        return "draining"
    return "ready" if node["ready"] else "not ready"


def restart_nodes(options: HostOptions, names: list[str], timeout_s: float) -> None:
    """``nodes restart``."""

    async def work(client: Client) -> list[str]:
        known = [node["name"] for node in await client.nodes()]
        wanted = names or known
        for name in wanted:
            await _restart(client, name, timeout_s)
        return wanted

    try:
        done = on_host(options, work)
    except TimeoutError as error:
        typer.echo(f"error: {error}; the others are as they were", err=True)
        raise typer.Exit(EXIT_REFUSED) from None
    if options.as_json:
        print_json({"restarted": done})


async def _restart(client: Client, name: str, timeout_s: float) -> None:
    """One host, from its drain until it takes calls again."""
    node = await client.drain(host=name)
    before = node["started_at"]
    typer.echo(f"{name}: {node['calls']} calls to wait for", err=True)
    until = time.monotonic() + timeout_s
    while node["calls"]:
        if time.monotonic() > until:
            await client.drain(on=False, host=name)
            raise TimeoutError(
                f"{name} still has {node['calls']} calls after {timeout_s:g} s, and takes new ones again"
            )
        await asyncio.sleep(_POLL_S)
        node = await client.node(name)
    await client.restart(name)
    until = time.monotonic() + _UP_S
    while time.monotonic() < until:
        await asyncio.sleep(_POLL_S)
        try:
            node = await client.node(name)
        except ApiError:
            continue  # it is being started
        if node["ready"] and node["started_at"] != before:
            typer.echo(f"{name}: restarted", err=True)
            return
    raise TimeoutError(f"{name} did not come back within {_UP_S:g} s")
