"""The command line: which commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from openclaw_actors import __version__
from openclaw_actors.cli import config, nodes, steer, voicemail
from openclaw_actors.cli.call import call
from openclaw_actors.cli.doctor import doctor
from openclaw_actors.cli.eval import evaluate
from openclaw_actors.cli.loadtest import loadtest
from openclaw_actors.cli.serve import serve
from openclaw_actors.cli.setup import setup
from openclaw_actors.cli.voices import voices

app = typer.Typer(
    name="openclaw-actors",
    help="A voice-call host for self-hosted assistants.",
    no_args_is_help=True,
    # A stack trace with the frames' variables would print secrets.
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(setup)
app.command()(doctor)
app.command()(call)
app.command()(voices)
app.command()(loadtest)
app.command(name="eval")(evaluate)
app.add_typer(steer.app)
app.command()(voicemail.voicemails)
app.add_typer(voicemail.app, name="voicemail")
app.add_typer(nodes.app, name="nodes")
app.add_typer(config.app, name="config")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"openclaw-actors {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options that come before a command."""


def main() -> None:
    """Run the command that the process's arguments name."""
    app()
