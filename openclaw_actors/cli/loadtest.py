"""``openclaw-actors loadtest``: its arguments. What it does is in cli/load_run.py."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from openclaw_actors.cli.options import DEFAULT_URL, Insecure, Json, Token, Url


class Transport(StrEnum):
    """How the callers call."""

    webrtc = "webrtc"


def loadtest(  # noqa: PLR0913, PLR0917 - typer reads a command's options from its parameters
    url: Url = DEFAULT_URL,
    calls: Annotated[int, typer.Option(min=1, max=500, help="Callers at once.")] = 4,
    turns: Annotated[int, typer.Option(min=1, help="Questions that each of them asks.")] = 3,
    transport: Annotated[Transport, typer.Option(help="How they call.")] = Transport.webrtc,
    ramp: Annotated[float, typer.Option(min=0, help="Seconds over which they come one by one; 0: all at once.")] = 0.0,
    wav: Annotated[Path | None, typer.Option(help="Ask this, in place of a synthetic voice's question.")] = None,
    barge_in: Annotated[bool, typer.Option(help="Speak over each reply, a second into it.")] = True,
    pid: Annotated[int, typer.Option(help="Take CPU and memory of this process, in place of /metrics.")] = 0,
    picture: Annotated[Path | None, typer.Option(help="Draw the latencies over time into this SVG file.")] = None,
    token: Token = "",
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Let many synthetic callers converse with a host, and measure what they hear.

    Status 0: all was answered. 1: a call was refused or dropped, or a question stayed unanswered. 3: the run is void,
    since the callers themselves were late; let them run on another machine, or fewer of them.
    """
    # Only now: the media libraries take 0.7 s to import, and every command would wait for them.
    from openclaw_actors.cli.load_run import Order, run  # noqa: PLC0415 - see above

    order = Order(
        url=url.rstrip("/"),
        token=token,
        insecure=insecure,
        transport=transport.value,
        calls=calls,
        turns=turns,
        ramp_s=ramp,
        wav=wav,
        barge_in=barge_in,
        pid=pid,
        picture=picture,
        as_json=as_json,
    )
    raise typer.Exit(run(order))
