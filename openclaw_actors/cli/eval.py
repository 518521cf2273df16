"""``openclaw-actors eval``: its arguments. What it does is in cli/eval_run.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openclaw_actors.cli.config import ConfigOption
from openclaw_actors.cli.options import DEFAULT_URL, Insecure, Json, Token, Url

MOST_AT_ONCE = 16
"""Callers of one eval: more would measure themselves (loadtest is for that)."""


def evaluate(  # noqa: PLR0913, PLR0917 - typer reads a command's options from its parameters
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE|DIR]...", help="Scripts, or folders of them; none: those that ship."),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    parallel: Annotated[int, typer.Option(min=1, max=MOST_AT_ONCE, help="Calls at once.")] = 1,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report into this file.")] = None,
    ear: Annotated[str, typer.Option(help="A recogniser that checks what was heard, such as faster-whisper.")] = "",
    judge_url: Annotated[
        str, typer.Option(envvar="OPENCLAW_ACTORS_JUDGE_URL", help="An OpenAI-compatible API whose model judges.")
    ] = "",
    judge_model: Annotated[str, typer.Option(envvar="OPENCLAW_ACTORS_JUDGE_MODEL", help="Which model judges.")] = "",
    config: ConfigOption = None,
    with_needs: Annotated[
        bool, typer.Option("--with-needs", help="Play those of a folder too that need something of the host.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play scripts of a caller to a running host, and check what comes of them.

    Status 0: all held. 1: something did not. 2: a script can't be used. The judge's key is taken from
    OPENCLAW_ACTORS_JUDGE_KEY; --config names settings of the engines that speak and hear for the caller.
    """
    # Only now: the media libraries take 0.7 s to import, and every command would wait for them.
    from openclaw_actors.cli.eval_run import Order, run  # noqa: PLC0415 - see above

    order = Order(
        paths=tuple(paths or ()),
        url=url.rstrip("/"),
        token=token,
        insecure=insecure,
        parallel=parallel,
        junit=junit,
        ear=ear,
        judge_url=judge_url,
        judge_model=judge_model,
        config=config,
        with_needs=with_needs,
        as_json=as_json,
    )
    raise typer.Exit(run(order))
