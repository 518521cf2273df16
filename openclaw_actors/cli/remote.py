"""What the commands that steer a host do: ask it, and print what it says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openclaw_actors.cli.faults import EXIT_SETTINGS
from openclaw_actors.cli.hosts import on_host
from openclaw_actors.cli.options import HostOptions
from openclaw_actors.client import CallPage, CallRecord, Client, EventRecord, Node, Transcript
from openclaw_actors.errors import OpenclawActorsError

_PAGE = 200
"""Calls a request at most."""
_POLL_S = 1.0
"""Between two looks at a host that drains: it tells nobody when its last call has ended."""
_COMPLETION_S = 1.0
"""A shell that completes a word must not hang."""

_ID_WIDTH = 31
_FILE_WIDTH = 200
"""Of what no terminal shows: wide enough that no column is cut."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_STATUS_STYLES = {"in-progress": "green", "failed": "red", "completed": ""}


def plain(text: object) -> str:
    """Text of a stranger's (a transcript, a caller's name) as a terminal may have it: no control codes in it."""
    return _CONTROLS.sub(" ", str(text))


def print_json(value: object) -> None:
    """As programs read it."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def live_calls(url: str, token: str) -> list[tuple[str, str]]:
    """Id and a word on each live call; empty where the host does not answer in time."""

    async def ask() -> CallPage:
        async with Client(url, token, timeout_s=_COMPLETION_S) as client:
            return await client.calls(status="in-progress", limit=50)

    try:
        page = asyncio.run(ask())
    except OpenclawActorsError:
        return []
    return [(call["id"], f"{call['transport']} {plain(call['from'])}") for call in page["calls"]]


# --- reading --------------------------------------------------------------------------------------


async def pages(page_of: Callable[..., Awaitable[Any]], name: str, limit: int) -> list[Any]:
    """The first ``limit`` of a list that the host gives page by page; ``page_of`` asks for one."""
    found: list[Any] = []
    cursor: str | None = None
    while len(found) < limit:
        page = await page_of(cursor=cursor, limit=min(_PAGE, limit - len(found)))
        found += page[name]
        cursor = page["next"]
        if cursor is None:
            break
    return found


def calls(options: HostOptions, filters: Mapping[str, str | None], limit: int) -> None:
    """``calls``."""

    async def work(client: Client) -> list[CallRecord]:
        return await pages(lambda **part: client.calls(**{**part, **filters}), "calls", limit)

    found = on_host(options, work)
    if options.as_json:
        print_json({"calls": found})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True, min_width=_ID_WIDTH)  # it is there to be copied
    for heading in ("status", "transport", "direction", "from", "started", "for", "turn p50"):
        table.add_column(heading, no_wrap=True)
    for call in found:
        latency = call["latency"].get("turn_p50_ms")
        table.add_row(
            call["id"],
            Text(_state(call), style=_STATUS_STYLES.get(call["status"], "yellow")),
            call["transport"],
            call["direction"],
            plain(call["from"]),
            local_time(call["started_at"]),
            _duration(call),
            "" if latency is None else f"{latency} ms",
        )
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table if found else Text("no calls", style="dim"))


def _state(call: CallRecord) -> str:
    held = " (held)" if call["held"] else " (muted)" if call["muted"] else ""
    return call["status"] + held + (" (recording)" if call["recording"] else "")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def local_time(text: str) -> str:
    """A time of the API's, as the clock on the wall shows it."""
    return _time(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _duration(call: CallRecord) -> str:
    ended = call["ended_at"]
    until = _time(ended) if ended else datetime.now().astimezone()
    seconds = max(0, round((until - _time(call["started_at"])).total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02d}"


def show(options: HostOptions, call_id: str) -> None:
    """``show``."""

    async def work(client: Client) -> tuple[CallRecord, Transcript]:
        return await client.call(call_id), await client.transcript(call_id)

    call, transcript = on_host(options, work)
    if options.as_json:
        print_json({"call": call, "transcript": transcript["lines"]})
        return
    console = Console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in call.items():
        if name != "stages" and value not in ("", None, {}, False):
            table.add_row(name, plain(json.dumps(value) if isinstance(value, dict) else value))
    for name, stage in (call["stages"] or {}).items():
        table.add_row(name, plain(f"{stage['state']}, {stage['engine']}, {stage['restarts']} restarts"))
    console.print(table)
    for line in transcript["lines"]:
        console.print(_spoken(line["time"], line["role"], line["text"], cut=line["cut"]))


def _spoken(time: str, role: str, text: str, *, cut: bool) -> Text:
    at = Text(f"{_time(time).astimezone():%H:%M:%S}  ", style="dim")
    who = Text("agent  ", style="bold cyan") if role == "agent" else Text("caller ", style="bold green")
    return at + who + Text(plain(text) + (" —" if cut else ""))


def tail(options: HostOptions, call_id: str | None, after: str) -> None:
    """``tail``."""
    console = Console()

    async def work(client: Client) -> None:
        async for event in client.events(call_id, after=after):
            if options.as_json:
                typer.echo(json.dumps(event, ensure_ascii=False))
            else:
                line = _event_line(event, with_call=call_id is None)
                if line is not None:
                    console.print(line, soft_wrap=True)

    on_host(options, work)


def _event_line(event: EventRecord, *, with_call: bool) -> Text | None:
    data = event["data"]
    call = Text(f"{event['call_id'][-6:]} ", style="magenta") if with_call else Text()
    if event["type"] == "call.transcript":
        if not data.get("final"):
            return None  # it is overtaken in a moment
        return call + _spoken(event["time"], data["role"], data["text"], cut=bool(data.get("cut")))
    if event["type"] == "call.stages":
        return None
    details = " ".join(f"{name}={value}" for name, value in data.items() if value not in ("", {}, []))
    at = Text(f"{_time(event['time']).astimezone():%H:%M:%S}  ", style="dim")
    return call + at + Text(event["type"], style="bold") + Text(f" {plain(details)}", style="dim")


# --- steering -------------------------------------------------------------------------------------


def dial(
    options: HostOptions,
    to: str,
    order: Mapping[str, Any],
    metadata: str | None,
    follow: bool,
) -> None:
    """``dial``. ``order``: what ``Client.place`` takes by name."""
    try:
        attached = json.loads(metadata) if metadata else None
    except ValueError:
        attached = False
    if attached is not None and not isinstance(attached, dict):
        typer.echo("error: --metadata must be a JSON object, such as '{\"order\": 7}'", err=True)
        raise typer.Exit(EXIT_SETTINGS)

    async def work(client: Client) -> CallRecord:
        return await client.place(to, metadata=attached, **order)

    call = on_host(options, work)
    if options.as_json and not follow:
        print_json(call)
        return
    typer.echo(call["id"], err=follow)
    if follow:
        tail(options, call["id"], "")
        ended = on_host(options, lambda client: client.call(call["id"]))
        if ended["status"] != "completed":
            raise typer.Exit(1)


def act(options: HostOptions, action: str, command_id: str | None, *arguments: str | bytes) -> None:
    """Any command that the host accepts at once: ``action`` is a method of the client."""
    named = {} if command_id is None else {"command_id": command_id}

    async def work(client: Client) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", await getattr(client, action)(*arguments, **named))

    accepted = on_host(options, work)
    if options.as_json:
        print_json(accepted)


def play_file(options: HostOptions, command_id: str | None, call_id: str, path: Path) -> None:
    """``play`` with a file."""
    sound = path.read_bytes()
    named = {} if command_id is None else {"command_id": command_id}

    async def work(client: Client) -> Mapping[str, Any]:
        return await client.play(call_id, sound, name=plain(path.name)[:64], **named)

    accepted = on_host(options, work)
    if options.as_json:
        print_json(accepted)


def recording(options: HostOptions, call_id: str, part: int, output: Path | None) -> None:
    """``recording``: into ``output``, or a file named as the call."""

    async def work(client: Client) -> tuple[str, int]:
        call = await client.call(call_id)
        form = next((each["format"] for each in call["recordings"] if each["part"] == part), "")
        name = f"{call_id}.{part}{'.wav' if form == 'wav' else '.ogg'}"
        path = Path("/dev/stdout") if str(output) == "-" else output or Path(name)
        size = 0
        file = None
        try:
            async for chunk in client.recording(call_id, part):
                file = file or path.open("wb")  # not before there is something: a refusal leaves no empty file
                size += file.write(chunk)
        finally:
            if file is not None:
                file.close()
        return str(path), size

    path, size = on_host(options, work)
    if options.as_json:
        print_json({"file": path, "bytes": size})
    elif str(output) != "-":
        typer.echo(f"{path}: {size} bytes")


def erase(options: HostOptions, call_id: str) -> None:
    """``erase``."""

    async def work(client: Client) -> None:
        await client.erase(call_id)

    on_host(options, work)
    if options.as_json:
        print_json({"erased": call_id})


def drain(options: HostOptions, on: bool, wait: bool) -> None:
    """``drain``; with ``wait`` it shows how many calls are left."""

    async def work(client: Client) -> Node:
        node = await client.drain(on)
        with Live(console=Console(stderr=True), transient=True) as live:
            while wait and on and node["calls"]:
                live.update(Text(f"draining: {node['calls']} calls"))
                await asyncio.sleep(_POLL_S)
                node = await client.node()
        return node

    node = on_host(options, work)
    if options.as_json:
        print_json(node)
    else:
        typer.echo(f"{node['calls']} calls, {'no new ones are taken' if node['draining'] else 'new ones are taken'}")
