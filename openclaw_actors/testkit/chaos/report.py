"""What a chaos run found, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from openclaw_actors.messages import START_ORDER
from openclaw_actors.testkit.chaos.matrix import RECOVERY_MS, MatrixReport, Outcome
from openclaw_actors.testkit.chaos.outages import OutageReport
from openclaw_actors.testkit.chaos.storm import StormReport
from openclaw_actors.testkit.chaos.table import FAULTS, MOMENTS, Cell, meaningless

NONE = "-"
"""Where there is nothing to tell."""


def matrix_text(report: MatrixReport) -> str:
    """The table stage x fault x moment, the poisons, and what was measured."""
    cells = {outcome.cell: outcome for outcome in report.outcomes}
    held = sum(not outcome.problems for outcome in report.outcomes)
    control = report.control
    summary = (
        f"{held} of {len(report.outcomes)} cells held in {report.seconds:.0f} s, beside a call that nothing was done "
        f"to ({control.turns} turns, {len(control.misheard)} misheard, end of speech to voice "
        f"{_middle(control.answer_late_s):.2f} s)."
    )
    lines = [
        "## Stage x fault x moment",
        "",
        summary,
        "",
        f"| stage | fault | {' | '.join(MOMENTS)} | down, ms |",
        f"|---|---|{'---|' * len(MOMENTS)}--:|",
    ]
    for stage in START_ORDER:
        for fault in FAULTS:
            row = [cells.get(Cell(stage, fault, moment)) for moment in MOMENTS]
            if any(row):
                down = [ms for outcome in row if outcome for ms in outcome.down_ms]
                marks = " | ".join(_mark(outcome) for outcome in row)
                lines.append(f"| {stage} | {fault} | {marks} | {_range(down)} |")
    poisons = [outcome for outcome in report.outcomes if outcome.cell.message]
    if poisons:
        told = ", ".join(f"{o.cell.stage}/{o.cell.message} {_mark(o)}" for o in poisons)
        lines += ["", f"Each kind of mail as the poison: {told}."]
    lines += ["", *_measured(report.outcomes), "", *_left_out()]
    return "\n".join([*lines, *_problems(report.problems)])


def _mark(outcome: Outcome | None) -> str:
    if outcome is None:
        return NONE
    if outcome.problems:
        return "**broken**"
    return "held²" if outcome.first_try else "held"


def _measured(outcomes: Sequence[Outcome]) -> list[str]:
    down = [ms for outcome in outcomes for ms in outcome.down_ms]
    gaps = [outcome.gap_ms - outcome.control_gap_ms for outcome in outcomes]
    again = [outcome for outcome in outcomes if outcome.first_try and not outcome.problems]
    late = {fault: [o.answer_late_s for o in outcomes if o.cell.fault == fault and o.answer_late_s] for fault in FAULTS}
    slow = ", ".join(f"{fault} {_middle(values):.2f}" for fault, values in late.items() if values)
    restarts = f"{_range(down)} ms (median, longest; bound {RECOVERY_MS}) over {len(down)} restarts"
    return [
        f"- The struck stage, from known to be down until it worked again: {restarts}.",
        f"- Longest gap between packets, beyond the control call's in the same seconds: {_range(gaps)} ms (bound 20).",
        f"- End of speech to voice with the fault in the way, median seconds by fault: {slow}.",
        f"- held²: {len(again)} cells held at the second try, alone with the control call{':' if again else '.'}",
        *(f"    - {outcome.cell.name}: {'; '.join(outcome.first_try)}" for outcome in again),
    ]


def _left_out() -> list[str]:
    lines = [f"Cells without meaning ({NONE}):", ""]
    grouped: dict[tuple[str, str], list[str]] = {}
    for stage, fault, why, moments in meaningless():
        when = "always" if len(moments) == len(MOMENTS) else ", ".join(moments)
        grouped.setdefault((why, when), []).append(f"{stage}/{fault}")
    for (why, when), pairs in grouped.items():
        lines.append(f"- {why}: {', '.join(pairs)} ({when})")
    return lines


def storm_text(title: str, report: StormReport) -> str:
    """One storm."""
    went = report.went
    stages = ", ".join(f"{stage} {report.by_stage[stage]}" for stage in START_ORDER)
    return "\n".join(
        [
            f"## {title}",
            "",
            f"{report.kills} kills over {report.calls} calls in {report.seconds:.0f} s ({stages}).",
            "",
            f"- Dropped calls: {len(went.dropped)}; calls that answered no more: {len(went.wedged)}.",
            f"- Left behind (threads, processes, tasks, descriptors, actors): {report.leaked or 'nothing'}.",
            f"- Restarts told: {went.restarts}; down {_range(went.down_ms)} ms (median, longest; with the back-off).",
            f"- Turns answered while it lasted: {went.answered}.",
            *_problems(report.problems),
        ]
    )


def outages_text(report: OutageReport) -> str:
    """Providers that fail for a turn, for good, and come back."""
    whole = sum(turn.whole for turn in report.turns)
    apologies = sum(turn.apologised for turn in report.turns)
    kinds = Counter((turn.stage, turn.kind) for turn in report.turns)
    late = [turn.late_s for turn in report.turns]
    lines = ["## Providers that fail", ""]
    if report.turns:
        lines += [
            f"{len(report.turns)} turns with one fault each ({len(kinds)} kinds: {_kinds(kinds)}).",
            "",
            f"- Answered whole: {whole}; with an apology: {apologies}; otherwise: {len(late) - whole - apologies}.",
            f"- End of speech to voice: {_range(late, 2)} s (median, longest).",
            "",
        ]
    lines += ["| for good | |", "|---|---|"]
    lines += [f"| {name} | {'**broken**' if missed else 'held'} |" for name, missed in report.scenarios.items()]
    return "\n".join([*lines, *_problems(report.problems)])


def _kinds(kinds: Iterable[tuple[str, str]]) -> str:
    names: dict[str, list[str]] = {}
    for stage, kind in kinds:
        names.setdefault(stage, []).append("500" if kind == "status" else kind)
    return "; ".join(f"{stage} {', '.join(found)}" for stage, found in names.items())


def _problems(problems: Sequence[str]) -> list[str]:
    return ["", "Broken:", "", *(f"- {problem}" for problem in problems)] if problems else []


def _middle(values: Sequence[float]) -> float:
    return median(values) if values else 0.0


def _range(values: Sequence[float], digits: int = 1) -> str:
    return f"{median(values):.{digits}f}, {max(values):.{digits}f}" if values else NONE
