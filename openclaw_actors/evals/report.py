"""What came of the scripts, for people (rich), for programs (JSON) and for CI servers (JUnit)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from openclaw_actors.evals.checks import Check, Verdict, answer_ms, silence_ms
from openclaw_actors.evals.record import CallRecord, text_of
from openclaw_actors.evals.runs import LAG_LIMIT_MS, Outcome
from openclaw_actors.evals.scripts import Script

_MARKS: dict[Verdict, tuple[str, str]] = {"held": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "yellow")}


def show(console: Console, outcome: Outcome) -> None:
    """One script: the conversation, and under each step what was wanted of it."""
    mark, colour = _MARKS[outcome.verdict]
    title = Text(f"{mark} {outcome.script.name}", style=f"bold {colour}")
    title.append(f"  {outcome.script.path.name}", style="dim")
    if outcome.record is None:
        console.print(title, Padding(Text(outcome.why, style="yellow"), (0, 0, 0, 4)), sep="\n")
        return
    title.append(f"  {outcome.seconds:.1f} s  {outcome.record.call_id}", style="dim")
    console.print(title)
    console.print(Padding(_conversation(outcome, outcome.record), (0, 0, 0, 2)))
    if outcome.own_lag_ms > LAG_LIMIT_MS:
        late = f"the caller's own packets left up to {outcome.own_lag_ms:.0f} ms late (p99): times are that much worse"
        console.print(Padding(Text(late, style="yellow"), (0, 0, 0, 4)))


def _conversation(outcome: Outcome, record: CallRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    said = record.said_by_agent()
    if said[-1]:
        table.add_row("", Text("agent", style="bold cyan"), Text(text_of(said[-1])))
    for number, (step, played) in enumerate(zip(outcome.script.steps, record.steps, strict=True)):
        if step.action != "listen":
            table.add_row(str(number + 1), Text("caller", style="bold green"), Text(step.shown()))
        if said[number]:
            line = Text(text_of(said[number]) + (" —" if said[number][-1].cut else ""))
            for name, milliseconds in (("silent", silence_ms(played)), ("answer", answer_ms(played))):
                if milliseconds is not None:
                    line.append(f"  {name} after {milliseconds:.0f} ms", style="dim")
            table.add_row("" if step.action != "listen" else str(number + 1), Text("agent", style="bold cyan"), line)
        _add_checks(table, [each for each in outcome.checks if each.step == number + 1])
    _add_checks(table, [each for each in outcome.checks if not each.step])
    return table


def _add_checks(table: Table, checks: Sequence[Check]) -> None:
    for each in checks:
        mark, colour = _MARKS[each.verdict]
        text = Text(each.what, style=colour)
        if each.detail:
            text.append(f": {each.detail}", style="" if each.verdict == "failed" else "dim")
        table.add_row("", Text(f"{mark:>6}", style=colour), text)


def show_sum(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One line about all."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    unjudged = sum(check.verdict == "skipped" for outcome in outcomes for check in outcome.checks)
    parts = [f"{counts[verdict]} {verdict}" for verdict in ("held", "failed", "skipped") if counts[verdict]]
    line = Text(", ".join(parts), style="bold red" if counts["failed"] else "bold green")
    if unjudged:
        line.append(f"; {unjudged} expectation{'s' if unjudged > 1 else ''} skipped, see above", style="yellow")
    console.print(line)


def as_json(outcomes: Sequence[Outcome]) -> str:
    """All of it."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    body = {
        **{verdict: counts[verdict] for verdict in ("held", "failed", "skipped")},
        "evals": [outcome.as_dict() for outcome in outcomes],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def write_junit(path: Path, outcomes: Sequence[Outcome]) -> None:
    """One test case a script, as CI servers read it.

    Raises:
        OSError: the file can't be written.
    """
    counts = Counter(outcome.verdict for outcome in outcomes)
    suite = ET.Element(
        "testsuite",
        name="openclaw-actors eval",
        tests=str(len(outcomes)),
        failures=str(counts["failed"]),
        errors="0",
        skipped=str(counts["skipped"]),
        time=f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    )
    for outcome in outcomes:
        case = ET.SubElement(
            suite, "testcase", classname="evals", name=outcome.script.name, time=f"{outcome.seconds:.3f}"
        )
        if outcome.record is None:
            ET.SubElement(case, "skipped", message=outcome.why)
            continue
        failed = [each for each in outcome.checks if each.verdict == "failed"]
        if failed:
            lines = [_in_words(outcome.script, each) for each in failed]
            ET.SubElement(case, "failure", message=_legal(lines[0])).text = _legal("\n".join(lines))
        ET.SubElement(case, "system-out").text = _legal(json.dumps(outcome.as_dict(), ensure_ascii=False))
    ET.indent(suite)
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def _in_words(script: Script, check: Check) -> str:
    where = f"step {check.step} ({script.steps[check.step - 1].action})" if check.step else "the call"
    return f"{where}: {check.what}" + (f": {check.detail}" if check.detail else "")


def _legal(text: str) -> str:
    """Without the characters that XML can't hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
