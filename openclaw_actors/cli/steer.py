"""The commands that steer a host: their arguments. What they do is in cli/remote.py, imported when one is run."""

# ruff: noqa: PLR0913, PLR0917 - typer reads a command's options from its parameters

from __future__ import annotations

import importlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from openclaw_actors.cli.options import DEFAULT_URL, HostOptions, of_host

app = typer.Typer()
"""Its commands are taken over by cli/main.py."""


def _remote() -> Any:
    # aiohttp takes 0.2 s to import; help and completion would wait for it.
    return importlib.import_module("openclaw_actors.cli.remote")


def _complete_call(incomplete: str) -> list[tuple[str, str]]:
    """Ids of live calls, for the shell; none where the host does not answer at once."""
    url = os.environ.get("OPENCLAW_ACTORS_URL", DEFAULT_URL)
    found: list[tuple[str, str]] = _remote().live_calls(url, os.environ.get("OPENCLAW_ACTORS_TOKEN", ""))
    return [each for each in found if each[0].startswith(incomplete)]


class Switch(StrEnum):
    """To begin or to end something."""

    start = "start"
    stop = "stop"


CallId = Annotated[str, typer.Argument(metavar="ID", help="The call.", autocompletion=_complete_call)]
Text = Annotated[str, typer.Argument(help="The line.")]
CommandId = Annotated[
    str | None, typer.Option("--command-id", help="A name for this command: sent again, it is not done again.")
]


@app.command()
@of_host
def calls(
    host: HostOptions,
    find: Annotated[str | None, typer.Option(help="Only those with this number, or these words in one line.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those: in-progress, completed, failed, ...")] = None,
    transport: Annotated[str | None, typer.Option(help="Only those: webrtc, test, or a carrier's name.")] = None,
    direction: Annotated[str | None, typer.Option(help="Only those: inbound or outbound.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, newest first.")] = 20,
) -> None:
    """List calls, live and past."""
    filters = {"q": find, "status": status, "transport": transport, "direction": direction}
    _remote().calls(host, filters, limit)


@app.command()
@of_host
def show(host: HostOptions, call_id: CallId) -> None:
    """Show a call, live or past, and what was said on it."""
    _remote().show(host, call_id)


@app.command()
@of_host
def dial(
    host: HostOptions,
    to: Annotated[str, typer.Argument(metavar="TO", help='A number such as +15551234567, or "test".')],
    from_: Annotated[str | None, typer.Option("--from", help="One of your own numbers.")] = None,
    mode: Annotated[str, typer.Option(help="conversation, or notify: say the message and hang up.")] = "conversation",
    message: Annotated[str | None, typer.Option(help="Said first, in place of the greeting.")] = None,
    agent: Annotated[str | None, typer.Option(help="Whom the agent engine asks, such as an OpenClaw agent.")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object that stays with the call.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key places the same call.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the call to its end, as tail does.")] = False,
) -> None:
    """Place a call; prints its id. With --follow it exits 1 if nobody took it."""
    order = {"from_": from_, "mode": mode, "message": message, "agent": agent, "idempotency_key": key}
    _remote().dial(host, to, order, metadata, follow)


@app.command()
@of_host
def say(host: HostOptions, call_id: CallId, text: Text, command_id: CommandId = None) -> None:
    """Speak a line in the agent's voice, after what is being said."""
    _remote().act(host, "say", command_id, call_id, text)


@app.command()
@of_host
def text(host: HostOptions, call_id: CallId, text: Text, command_id: CommandId = None) -> None:
    """Let the agent answer a line as if the caller had said it."""
    _remote().act(host, "send_text", command_id, call_id, text)


@app.command()
@of_host
def dtmf(
    host: HostOptions,
    call_id: CallId,
    digits: Annotated[str, typer.Argument(help="0-9, A-D, *, #; w pauses for half a second.")],
    command_id: CommandId = None,
) -> None:
    """Send keys as tones."""
    _remote().act(host, "send_dtmf", command_id, call_id, digits)


@app.command()
@of_host
def play(
    host: HostOptions,
    call_id: CallId,
    sound: Annotated[str, typer.Argument(help="A WAV or Ogg file, or one of the host's: beep, busy, chime, ringback.")],
    command_id: CommandId = None,
) -> None:
    """Play a sound."""
    path = Path(sound)
    if not path.is_file():
        _remote().act(host, "play", command_id, call_id, sound)
        return
    _remote().play_file(host, command_id, call_id, path)


@app.command()
@of_host
def hold(
    host: HostOptions,
    call_id: CallId,
    sound: Annotated[str, typer.Option(help="music or tone: what the caller hears.")] = "music",
    command_id: CommandId = None,
) -> None:
    """Put the caller on hold."""
    _remote().act(host, "hold", command_id, call_id, sound)


@app.command()
@of_host
def transfer(
    host: HostOptions,
    call_id: CallId,
    to: Annotated[str, typer.Argument(metavar="TO", help="A number such as +15551234567.")],
    command_id: CommandId = None,
) -> None:
    """Give the call to another number, where its transport can."""
    _remote().act(host, "transfer", command_id, call_id, to)


@app.command()
@of_host
def record(
    host: HostOptions,
    call_id: CallId,
    what: Annotated[Switch, typer.Argument(metavar="start|stop", help="Begin to record, or end it.")],
    command_id: CommandId = None,
) -> None:
    """Record a call from now on, or stop."""
    _remote().act(host, f"record_{what.value}", command_id, call_id)


@app.command()
@of_host
def recording(
    host: HostOptions,
    call_id: CallId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; - is standard output.")] = None,
    part: Annotated[int, typer.Option(min=1, help="Which, of a call that was recorded several times.")] = 1,
) -> None:
    """Fetch what was recorded of a call: the caller left, the agent right."""
    _remote().recording(host, call_id, part, output)


def _plain_action(name: str, words: str) -> None:
    """A command that needs the call alone."""

    @of_host
    def command(host: HostOptions, call_id: CallId, command_id: CommandId = None) -> None:
        _remote().act(host, name, command_id, call_id)

    app.command(name, help=words)(command)


_plain_action("interrupt", "Stop the agent's voice, and drop what waits to be said.")
_plain_action("resume", "End a hold: the conversation goes on where it stood.")
_plain_action("mute", "Do not listen to the caller.")
_plain_action("unmute", "Listen to the caller again.")
_plain_action("hangup", "End the call.")


@app.command()
@of_host
def tail(
    host: HostOptions,
    call_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The call; without it, all.", autocompletion=_complete_call)
    ] = None,
    after: Annotated[str, typer.Option(help="Begin behind the event with this id.")] = "",
) -> None:
    """Follow events as they happen: a call's to its end, or everybody's; with --json one a line."""
    _remote().tail(host, call_id, after)


@app.command()
@of_host
def erase(
    host: HostOptions,
    call_id: CallId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase all that is kept of a call that is over."""
    if not yes:
        typer.confirm(f"Erase all that is kept of {call_id}?", abort=True, err=True)
    _remote().erase(host, call_id)


@app.command()
@of_host
def drain(
    host: HostOptions,
    end: Annotated[bool, typer.Option("--end", help="Take new calls again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the last call has ended.")] = False,
) -> None:
    """Let the host take no new calls; those that run go on."""
    _remote().drain(host, not end, wait)
