"""What ``openclaw-actors call`` does: speak a file or the microphone, show the conversation and its latencies."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import av
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openclaw_actors.testkit.caller import Caller, ReceivedEvent
from openclaw_actors.testkit.ear import HEARD_RATE
from openclaw_actors.testkit.microphone import NoMicrophoneError, on_microphone
from openclaw_actors.testkit.party import Answer
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import Speech, read_wav, write_wav
from openclaw_actors.testkit.waiting import CallEndedError

_GREETING_S = 4.0
"""An agent that greets has begun by then; one that does not is not waited for."""
_REPLY_OVER_S = 1.2
"""So much silence ends a reply: a voice pauses for 0.9 s between sentences at most (edge-tts pads 0.875 s)."""
_PARTS = ("end_of_turn", "stt_final", "agent_first_token", "tts_first_audio", "first_packet")


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said and how it was answered; latencies in milliseconds, mouth to ear, by our clock."""

    said: str
    answer: Answer | None
    parts: dict[str, Any]
    """The host's own account of it, from ``call.turn.completed``."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        latency = round(self.answer.latency_s * 1000) if self.answer else None
        return {"said": self.said, "answered": self.answer is not None, "latency_ms": latency, "host": self.parts}


def run(caller: Caller, wav: list[Path], record: Path | None, timeout_s: float, *, as_json: bool) -> None:
    """Be the caller: speak the files, or the microphone, and print what comes of it.

    Raises:
        typer.Exit: with status 1, when a sound can't be read, the host does not take the call, or nobody answers.
    """
    console = Console(stderr=as_json)
    try:
        speeches = [read_wav(path) for path in wav]
    except (OSError, av.FFmpegError) as error:
        _give_up(f"can't read the sound: {error}")
    caller.on_event = _Printer(console).show
    began = time.monotonic()
    turns: list[Turn] = []
    try:
        asyncio.run(_converse(caller, [path.name for path in wav], speeches, timeout_s, turns))
    except CallRefusedError as error:
        _give_up(f"the host refused the call: {error}")
    except (aiohttp.ClientError, TimeoutError, NoMicrophoneError) as error:
        _give_up(str(error) or "no connection in time")
    except KeyboardInterrupt:
        console.print("hung up", style="dim")
    if record is not None:
        write_wav(record, caller.heard.recording(), HEARD_RATE)
    if as_json:
        json.dump(_result(caller, turns, time.monotonic() - began), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print_latencies(console, caller, turns)
    if not caller.heard.onsets or any(turn.answer is None for turn in turns):
        _give_up("no answer was heard")


def _give_up(why: str) -> NoReturn:
    Console(stderr=True).print(Text(why, style="red"))
    raise typer.Exit(1)


async def _converse(
    caller: Caller, names: list[str], speeches: list[Speech], timeout_s: float, turns: list[Turn]
) -> None:
    async with caller:
        if not speeches:
            with on_microphone(caller), suppress(CallEndedError):
                await caller.wait_over(timeout_s=86_400)
            return
        with suppress(TimeoutError, CallEndedError):
            await caller.wait_voice(_GREETING_S)
        for name, speech in zip(names, speeches, strict=True):
            with suppress(TimeoutError, CallEndedError):
                await caller.wait_silence(timeout_s, quiet_s=_REPLY_OVER_S)
            turns.append(await _turn(caller, name, speech, timeout_s))
        with suppress(TimeoutError, CallEndedError):
            await caller.wait_silence(60, quiet_s=_REPLY_OVER_S)


async def _turn(caller: Caller, name: str, speech: Speech, timeout_s: float) -> Turn:
    try:
        answer = await caller.ask(speech, timeout_s)
    except (TimeoutError, CallEndedError):
        return Turn(name, None, {})
    parts: dict[str, Any] = {}
    with suppress(TimeoutError, CallEndedError):  # told when the voice set in, so it is here by now
        event = await caller.wait_event("call.turn.completed", timeout_s=2.0, after=answer.utterance.began_at)
        parts = dict(event.data.get("latency") or {})
    return Turn(name, answer, parts)


class _Printer:
    """Prints the conversation as it goes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def show(self, event: ReceivedEvent) -> None:
        at = Text(f"{event.arrived_at - self._began:6.2f}  ", style="dim")
        data = event.data
        if event.type == "call.transcript" and data.get("final", True):
            who = Text("agent  ", style="bold cyan") if data["role"] == "agent" else Text("you    ", style="bold green")
            self._console.print(at + who + Text(data["text"] + (" —" if data.get("cut") else "")))
        elif event.type in {"call.barge_in", "call.stage.restarted", "call.engine.switched", "call.ended", "error"}:
            details = " ".join(f"{key}={value}" for key, value in data.items())
            self._console.print(at + Text(f"{event.type} {details}", style="dim"))


def _result(caller: Caller, turns: list[Turn], seconds: float) -> dict[str, Any]:
    return {
        "call_id": caller.call_id,
        "seconds": round(seconds, 2),
        "setup_ms": round(caller.setup_s * 1000),
        "transcript": [{"role": line.role, "text": line.text, "cut": line.cut} for line in caller.transcript],
        "turns": [turn.as_dict() for turn in turns],
        "heard": {
            "packets": caller.heard.packets,
            "lost": caller.heard.lost_packets,
            "longest_gap_ms": round(caller.heard.longest_gap_s * 1000),
        },
        "own_lag_p99_ms": round(caller.mouth.pacing.p99() * 1000, 1),
    }


def _print_latencies(console: Console, caller: Caller, turns: list[Turn]) -> None:
    if turns:
        table = Table(title="Milliseconds from the end of speech to the first sound")
        table.add_column("said", no_wrap=True, max_width=24)  # all of it fits the 80 columns of a pipe
        for heading in ("heard", "end", "stt", "agent", "tts", "packet"):
            table.add_column(heading, justify="right", no_wrap=True)
        for turn in turns:
            heard = f"{turn.answer.latency_s * 1000:.0f}" if turn.answer else "no answer"
            parts = (turn.parts.get(f"{part}_ms") for part in _PARTS)
            table.add_row(turn.said, heard, *("" if part is None else f"{part:.0f}" for part in parts))
        console.print(table)
    lost = caller.heard.lost_packets
    console.print(
        f"set up in {caller.setup_s * 1000:.0f} ms, {caller.heard.packets} packets heard, {lost} lost, "
        f"own lag p99 {caller.mouth.pacing.p99() * 1000:.1f} ms",
        style="dim",
    )
