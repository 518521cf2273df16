"""What the commands about messages do: ask the host, and print what it says."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openclaw_actors.cli.hosts import on_host
from openclaw_actors.cli.options import HostOptions
from openclaw_actors.cli.remote import local_time, pages, plain, print_json
from openclaw_actors.client import Client, VoicemailRecord

_FILE_WIDTH = 200
_PLAYERS = (("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"), ("mpv", "--no-video"), ("gst-play-1.0",))
"""Programs that play Ogg; the first that is installed does."""
_STYLES = {"failed": "red", "done": "green", "due": "yellow", "dialling": "yellow"}


def voicemails(options: HostOptions, filters: Mapping[str, str | None], limit: int) -> None:
    """``voicemails``."""

    async def work(client: Client) -> list[VoicemailRecord]:
        return await pages(lambda **part: client.voicemails(**{**part, **filters}), "voicemails", limit)

    found = on_host(options, work)
    if options.as_json:
        print_json({"voicemails": found})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "received", "from", "for", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("message", overflow="ellipsis", no_wrap=True)
    for each in found:
        state = each["state"] + (f" ({each['reason']})" if each["reason"] else "")
        table.add_row(
            each["id"],
            local_time(each["received_at"]),
            plain(each["from"]),
            f"{each['seconds']:.0f} s",
            Text(state, style=_STYLES.get(each["state"], "")),
            plain(each["transcript"] or ""),
        )
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table if found else Text("no messages", style="dim"))


def show(options: HostOptions, voicemail_id: str) -> None:
    """``voicemail show``."""
    found = on_host(options, lambda client: client.voicemail(voicemail_id))
    if options.as_json:
        print_json(found)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in found.items():
        if value not in ("", None):
            table.add_row(name, plain(value))
    Console().print(table)


def play(options: HostOptions, voicemail_id: str, out: Path | None) -> None:
    """``voicemail play``."""
    sound = on_host(options, lambda client: client.voicemail_audio(voicemail_id))
    if out is not None:
        out.write_bytes(sound)
        typer.echo(f"{out}: {len(sound)} bytes")
        return
    player = next((each for each in _PLAYERS if shutil.which(each[0])), None)
    if player is None:
        names = ", ".join(each[0] for each in _PLAYERS)
        typer.echo(f"error: no player is installed ({names}); keep the file with --out message.ogg", err=True)
        raise typer.Exit(1)
    with tempfile.NamedTemporaryFile(suffix=".ogg") as file:
        file.write(sound)
        file.flush()
        subprocess.run([*player, file.name], check=False)  # noqa: S603 - one of ours, with a file of ours


def call_back(options: HostOptions, voicemail_id: str, to: str | None, message: str | None, now: bool) -> None:
    """``voicemail callback``."""
    found = on_host(options, lambda client: client.call_back(voicemail_id, to=to, message=message, now=now))
    if options.as_json:
        print_json(found)
    else:
        typer.echo(f"{found['callback_to']} is called back; follow it with: openclaw-actors tail")


def delete(options: HostOptions, voicemail_id: str) -> None:
    """``voicemail delete``."""
    on_host(options, lambda client: client.erase_voicemail(voicemail_id))
    if options.as_json:
        print_json({"erased": voicemail_id})
