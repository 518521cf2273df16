"""What ``openclaw-actors eval`` does: reads the scripts, plays them, and tells what came of them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

from openclaw_actors.cli.faults import settings_faults
from openclaw_actors.errors import EngineError
from openclaw_actors.evals import report
from openclaw_actors.evals.judge import JudgeOptions
from openclaw_actors.evals.runs import Outcome, RunOptions
from openclaw_actors.evals.runs import run as run_scripts
from openclaw_actors.evals.scripts import SHIPPED, Script, ScriptError, load
from openclaw_actors.settings.load import load_settings

EXIT_FAILED = 1
EXIT_UNUSABLE = 2


@dataclass(frozen=True, slots=True)
class Order:
    """The command's arguments."""

    paths: tuple[Path, ...]
    url: str
    token: str
    insecure: bool
    parallel: int
    junit: Path | None
    ear: str
    judge_url: str
    judge_model: str
    config: Path | None
    with_needs: bool
    as_json: bool


def run(order: Order) -> int:
    """Play them and print what came of it; the command's exit status."""
    console = Console(stderr=order.as_json)
    try:
        outcomes = _play(order, console)
    except ScriptError as error:
        _give_up(str(error))
    except EngineError as error:
        _give_up(f"--ear {order.ear}: {error}")
    if order.as_json:
        typer.echo(report.as_json(outcomes))
    else:
        report.show_sum(console, outcomes)
    if order.junit is not None:
        try:
            report.write_junit(order.junit, outcomes)
        except OSError as error:
            _give_up(f"--junit {order.junit}: {error}")
    return EXIT_FAILED if any(outcome.verdict == "failed" for outcome in outcomes) else 0


def _play(order: Order, console: Console) -> list[Outcome]:
    with settings_faults():
        options = RunOptions(
            url=order.url,
            token=order.token,
            insecure=order.insecure,
            parallel=order.parallel,
            ear=order.ear,
            judge=JudgeOptions(order.judge_url, order.judge_model, os.environ.get("OPENCLAW_ACTORS_JUDGE_KEY", "")),
            settings=load_settings(order.config, os.environ),
        )
        scripts = load(order.paths or (SHIPPED,))
        named = {path.resolve() for path in order.paths if not path.is_dir()}

        def plays(script: Script) -> bool:
            return order.with_needs or not script.needs or script.path.resolve() in named

        def tell(outcome: Outcome) -> None:
            if not order.as_json:
                report.show(console, outcome)

        return asyncio.run(run_scripts(scripts, options, tell, plays=plays))


def _give_up(why: str) -> NoReturn:
    for line in why.splitlines():
        Console(stderr=True, soft_wrap=True).print(Text(line, style="red"))
    raise typer.Exit(EXIT_UNUSABLE)
