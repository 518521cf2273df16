"""A progress bar for models that are fetched while the host runs already, on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.observability.logs import follow_stderr

_POLL_S = 0.25
"""How far a download has come is no event."""


async def show_downloads(catalogue: Catalogue, console: Console) -> None:
    """Draw a bar for each engine that fetches something, for as long as it does; until cancelled."""
    while True:
        if any(_downloads(catalogue)):
            await _draw(catalogue, console)
        await asyncio.sleep(_POLL_S)


async def _draw(catalogue: Catalogue, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            follow_stderr()  # the bar stays below what is logged meanwhile
            while downloads := dict(_downloads(catalogue)):
                for engine in bars.keys() - downloads.keys():
                    progress.remove_task(bars.pop(engine))
                for engine, part in downloads.items():
                    if engine not in bars:
                        bars[engine] = progress.add_task(f"fetching the model of {engine}", total=1.0)
                    progress.update(bars[engine], completed=part)
                await asyncio.sleep(_POLL_S)
    finally:
        follow_stderr()


def _downloads(catalogue: Catalogue) -> Iterator[tuple[str, float]]:
    for stage in catalogue.describe().values():
        for engine in stage["engines"]:
            if engine["state"] == "downloading":
                yield engine["engine"], engine["progress"]
