"""What ``openclaw-actors loadtest`` does: many callers, a progress bar, and what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import av
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from openclaw_actors import garbage
from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.errors import EngineError
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.load import Load, LoadCaller, LoadPlan, Tally
from openclaw_actors.testkit.load_picture import picture
from openclaw_actors.testkit.load_report import LAG_LIMIT_MS, LoadReport, Spread
from openclaw_actors.testkit.load_target import Meter, MetricsTarget, ProcessTarget
from openclaw_actors.testkit.speakers import Speech, espeak, read_wav

QUESTION = "What is the weather like in Paris today?"
OBJECTION = "No, wait, I meant to ask about tomorrow."

EXIT_VOID = 3
"""The callers were late: 1 and 2 say something of the host and of the arguments."""

_GREETING_S = 4.0
"""An agent that greets has begun by then."""
_REPLY_OVER_S = 1.2
"""So much silence ends a reply: a voice pauses for 0.9 s between sentences at most (edge-tts pads 0.875 s)."""


@dataclass(frozen=True, slots=True)
class Order:
    """The command's arguments."""

    url: str
    token: str
    insecure: bool
    transport: str
    calls: int
    turns: int
    ramp_s: float
    wav: Path | None
    barge_in: bool
    pid: int
    picture: Path | None
    as_json: bool


def _webrtc(order: Order, number: int) -> LoadCaller:
    name = f"load {number + 1}"
    return Caller(order.url, order.token, name, keep_audio=False, direct=True, verify_tls=not order.insecure)


CALLERS: dict[str, Callable[[Order, int], LoadCaller]] = {"webrtc": _webrtc}
"""Who calls, by transport."""


def run(order: Order) -> int:
    """Let them call, and print what they measured; the command's exit status."""
    console = Console(stderr=order.as_json)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # asyncio's own takes one datagram a turn
            report, tally, fault = runner.run(_load(order, console))
    except (OSError, av.FFmpegError) as error:
        _give_up(f"can't read the question: {error}")
    except EngineError as error:
        _give_up(f"can't make a question, give one with --wav: {error}")
    except KeyboardInterrupt:
        _give_up("stopped: nothing was measured")
    if order.picture is not None:
        order.picture.write_text(picture(report, tally), encoding="utf-8")
    if order.as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _print(console, report)
    for fault_text in (*sorted(set(report.refused)), fault):
        if fault_text:
            console.print(Text(fault_text, style="red"))
    if report.void:
        console.print(
            Text(
                f"VOID: the callers' own packets left {report.own_lag_p99_ms:.0f} ms late (p99; {LAG_LIMIT_MS:.0f} are "
                "allowed), so these figures are theirs, not the host's. Let them run on another machine, or fewer.",
                style="bold red",
            )
        )
        return EXIT_VOID
    return 0 if report.whole else 1


def _give_up(why: str) -> NoReturn:
    Console(stderr=True).print(Text(why, style="red"))
    raise typer.Exit(1)


async def _load(order: Order, console: Console) -> tuple[LoadReport, Tally, str]:
    question, objection = await _speech(order)
    plan = LoadPlan(
        question,
        objection if order.barge_in else None,
        calls=order.calls,
        turns=order.turns,
        ramp_s=order.ramp_s,
        greeting_s=_GREETING_S,
        quiet_s=_REPLY_OVER_S,
    )
    garbage.settle()  # a caller that pauses is late
    callers = [CALLERS[order.transport](order, number) for number in range(order.calls)]
    target = ProcessTarget(order.pid) if order.pid else MetricsTarget(order.url, order.token, not order.insecure)
    meter = Meter(target)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"{order.calls} callers", total=order.calls * order.turns)
        tally = await Load(plan, callers, on_round=lambda: bar.advance(task), meter=meter).run()
    return LoadReport.of(plan, tally, callers, meter), tally, meter.fault


async def _speech(order: Order) -> tuple[Speech, Speech]:
    """The question and the objection, encoded before anything is measured."""
    question = read_wav(order.wav) if order.wav else await espeak(QUESTION)
    objection = await espeak(OBJECTION, "en-us+f3")
    for speech in (question, objection):
        _ = speech.packets
    return question, objection


def _print(console: Console, report: LoadReport) -> None:
    table = Table(title=f"{report.calls} calls, ms by the callers' own ears")
    table.add_column("", no_wrap=True)
    for heading in ("count", "p50", "p90", "p95", "p99", "worst"):
        table.add_column(heading, justify="right")
    for name, spread in (
        ("set-up", report.setup),
        ("end of speech to voice", report.turn),
        ("barge-in to silence", report.barge_in),
    ):
        table.add_row(name, str(spread.count), *_cells(spread))
    console.print(table)
    lost = 100 * report.lost_packets / max(1, report.packets + report.lost_packets)
    console.print(
        f"{len(report.refused)} refused, {report.dropped} dropped, {report.unanswered} unanswered; "
        f"{report.lost_packets} packets lost ({lost:.2f} %), longest gap {report.longest_gap_ms:.0f} ms; "
        f"own lag p99 {report.own_lag_p99_ms:.1f} ms"
    )
    if report.cpu_percent is not None:
        console.print(
            f"the host took {report.cpu_percent:.0f} % of a core, {report.cpu_percent_per_call:.1f} % a call, "
            f"and {report.rss_mb:.0f} MB"
        )


def _cells(spread: Spread) -> tuple[str, ...]:
    values = (spread.p50, spread.p90, spread.p95, spread.p99, spread.worst)
    return tuple("" if not spread.count else f"{value:.0f}" for value in values)
