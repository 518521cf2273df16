"""``voicemails`` and ``voicemail …``: read, hear, erase messages, and have them called back for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from openclaw_actors.cli.options import HostOptions, of_host

app = typer.Typer(no_args_is_help=True, help="Read, hear and erase a message; call back for it.")

VoicemailId = Annotated[str, typer.Argument(metavar="ID", help="The message.")]


def _desk() -> Any:
    # As in cli/steer.py: aiohttp is imported when it is needed.
    return importlib.import_module("openclaw_actors.cli.voicemail_desk")


@of_host
def voicemails(
    host: HostOptions,
    state: Annotated[str | None, typer.Option(help="Only those: due, done, failed, kept, ...")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Only those of this caller.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, newest first.")] = 20,
) -> None:
    """List messages that callers left."""
    _desk().voicemails(host, {"state": state, "from_": from_}, limit)


@app.command()
@of_host
def show(host: HostOptions, voicemail_id: VoicemailId) -> None:
    """Show a message, its answer, and what has become of it."""
    _desk().show(host, voicemail_id)


@app.command()
@of_host
def play(
    host: HostOptions,
    voicemail_id: VoicemailId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the Ogg file here; do not play it.")] = None,
) -> None:
    """Hear a message, or keep its sound as a file."""
    _desk().play(host, voicemail_id, out)


@app.command()
@of_host
def callback(
    host: HostOptions,
    voicemail_id: VoicemailId,
    to: Annotated[str | None, typer.Option(help="Whom; who left it, by default.")] = None,
    message: Annotated[str | None, typer.Option(help="Said in place of the prepared answer.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Also in quiet hours.")] = False,
) -> None:
    """Call back for a message (again), with all attempts anew."""
    _desk().call_back(host, voicemail_id, to, message, now)


@app.command()
@of_host
def delete(
    host: HostOptions,
    voicemail_id: VoicemailId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase a message, its sound, and what tells of it."""
    if not yes:
        typer.confirm(f"Erase {voicemail_id}, its sound, and what tells of it?", abort=True, err=True)
    _desk().delete(host, voicemail_id)
