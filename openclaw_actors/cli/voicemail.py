"""``voicemails`` and ``voicemail …``: read, hear, erase messages, and have them called back for."""

# ruff: noqa: PLR0917 - typer reads a command's options from its parameters

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from openclaw_actors.cli.options import DEFAULT_URL, HostOptions, Insecure, Json, Token, Url

app = typer.Typer(no_args_is_help=True, help="Read, hear and erase a message; call back for it.")

VoicemailId = Annotated[str, typer.Argument(metavar="ID", help="The message.")]


def _desk() -> Any:
    # As in cli/steer.py: aiohttp is imported when it is needed.
    return importlib.import_module("openclaw_actors.cli.voicemail_desk")


def voicemails(
    state: Annotated[str | None, typer.Option(help="Only those: due, done, failed, kept, ...")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Only those of this caller.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, newest first.")] = 20,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """List messages that callers left."""
    _desk().voicemails(HostOptions(url, token, insecure, as_json), {"state": state, "from_": from_}, limit)


@app.command()
def show(
    voicemail_id: VoicemailId,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Show a message, its answer, and what has become of it."""
    _desk().show(HostOptions(url, token, insecure, as_json), voicemail_id)


@app.command()
def play(
    voicemail_id: VoicemailId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the Ogg file here; do not play it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
) -> None:
    """Hear a message, or keep its sound as a file."""
    _desk().play(HostOptions(url, token, insecure, as_json=False), voicemail_id, out)


@app.command()
def callback(
    voicemail_id: VoicemailId,
    to: Annotated[str | None, typer.Option(help="Whom; who left it, by default.")] = None,
    message: Annotated[str | None, typer.Option(help="Said in place of the prepared answer.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Also in quiet hours.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Call back for a message (again), with all attempts anew."""
    _desk().call_back(HostOptions(url, token, insecure, as_json), voicemail_id, to, message, now)


@app.command()
def delete(
    voicemail_id: VoicemailId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Erase a message, its sound, and what tells of it."""
    if not yes:
        typer.confirm(f"Erase {voicemail_id}, its sound, and what tells of it?", abort=True, err=True)
    _desk().delete(HostOptions(url, token, insecure, as_json), voicemail_id)
