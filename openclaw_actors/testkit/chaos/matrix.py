"""Walks the table: each cell in a call of its own, beside a call that nothing is done to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from openclaw_actors.testkit.chaos.bench import ANSWER, PATIENT, QUESTION, Bench, Line, bench, hasty_with, words
from openclaw_actors.testkit.chaos.scripts import Conversation, MissedError, Told, expect, speech
from openclaw_actors.testkit.chaos.table import Cell, Fault
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.waiting import CallEndedError

AT_ONCE = 3
"""Cells side by side: with the control call, callers, host and recogniser take some 60 % of two cores."""

RECOVERY_MS = 500
"""From the moment when a stage is known to be down until it works again."""

STAGGER_S = 0.9
"""Between two cells' beginnings: the recogniser works on one utterance at a time, 0.4 s each."""

MISHEARD = 0.05
"""Share of its turns that the control call may be misheard in: 2 of 90 on a machine with a load of six."""

_REASONS: dict[Fault, str] = {"kill": "crash", "raise": "crash", "end": "ended", "deaf": "slow", "hang": "slow"}
"""What a restart is told to be, by the fault; it must be told."""

_IN_PLACE: tuple[Fault, ...] = ("slow", "closed", "killed worker")
"""Faults that cost no stage its life."""


@dataclass
class Outcome:
    """What became of a cell."""

    cell: Cell
    problems: list[str] = field(default_factory=list)
    first_try: list[str] = field(default_factory=list)
    """The problems of a first try, beside other cells; the second is alone with the control call."""
    down_ms: list[float] = field(default_factory=list)
    """Of the struck stage: known to be down until it worked again."""
    answer_late_s: float = 0.0
    gap_ms: float = 0.0
    control_gap_ms: float = 0.0


class Control:
    """A call on the same host that nothing is done to: it asks and is answered until told to stop."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.turns = 0
        self.answer_late_s: list[float] = []
        self.problems: list[str] = []
        self.misheard: list[str] = []
        """Turns whose words the recogniser took for others, with nothing done to the call."""
        self._stopping = False
        self._task = asyncio.create_task(self._talk(), name="control call")

    async def stop(self) -> None:
        """End after the turn that is under way."""
        self._stopping = True
        await self._task
        if self.line.restarts:
            self.problems.append(f"stages of the control call were restarted: {self.line.restarts}")
        if self.line.switches:
            self.problems.append(f"engines of the control call were replaced: {self.line.switches}")

    async def _talk(self) -> None:
        caller, question = self.line.caller, speech(QUESTION)
        while not self._stopping:
            said = len(caller.transcript)
            try:
                answer = await caller.ask(question)
                await caller.wait_silence(quiet_s=0.5)
            except (TimeoutError, CallEndedError) as error:
                self.problems.append(f"turn {self.turns + 1} of the control call: {error}"[:400])
                if caller.over:
                    return
                continue
            self.turns += 1
            self.answer_late_s.append(answer.latency_s)
            lines = [(line.role, " ".join(words(line.text))) for line in caller.transcript[said:]]
            heard = " ".join(text for role, text in lines if role == "user").split()
            spoken = " ".join(text for role, text in lines if role == "agent").split()
            if heard != words(QUESTION):
                self.misheard.append(" ".join(heard))
            elif spoken != words(ANSWER):
                self.problems.append(f"turn {self.turns} of the control call: {lines}")
            await caller.wait(1.0)


@dataclass
class ControlReport:
    """What the control call went through."""

    turns: int = 0
    answer_late_s: list[float] = field(default_factory=list)
    misheard: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Controls:
    """The control call, and the next one if it is lost, which is a problem of its own; an async context."""

    def __init__(self, fire: Bench) -> None:
        self._fire = fire
        self._stack = AsyncExitStack()
        self._calls: list[Control] = []
        self._dialling = asyncio.Lock()

    async def current(self) -> Control:
        """The one that is up."""
        async with self._dialling:
            if not self._calls or self._calls[-1].line.caller.over:
                self._calls.append(Control(await self._stack.enter_async_context(self._fire.line("control"))))
        return self._calls[-1]

    def sum_up(self) -> ControlReport:
        """What they went through."""
        report = ControlReport()
        for call in self._calls:
            report.turns += call.turns
            report.answer_late_s += call.answer_late_s
            report.misheard += call.misheard
            report.problems += call.problems
        if len(self._calls) > 1:
            report.problems.append(f"{len(self._calls) - 1} control calls were lost")
        if len(report.misheard) > MISHEARD * report.turns:
            report.problems.append(f"the control call was misheard too often: {report.misheard}")
        return report

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        await self.current()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in self._calls:
            await call.stop()
        await self._stack.aclose()


@dataclass
class MatrixReport:
    """All cells, and what the call beside them went through."""

    outcomes: list[Outcome]
    control: ControlReport
    seconds: float

    @property
    def problems(self) -> list[str]:
        """Everything that a caller would complain of."""
        found = [f"{outcome.cell.name}: {text}" for outcome in self.outcomes for text in outcome.problems]
        return found + self.control.problems


async def walk(
    cells: Sequence[Cell], *, at_once: int = AT_ONCE, on_outcome: Callable[[Outcome], None] = lambda _: None
) -> MatrixReport:
    """Run the cells, some at once. What fails is tried once more, alone with the control call.

    Args:
        cells: of `table.matrix`.
        at_once: side by side.
        on_outcome: told of each when it is done.
    """
    began = time.monotonic()
    waiting = list(reversed(cells))
    again: list[Outcome] = []
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        on_outcome(outcome)

    async with bench() as fire, Controls(fire) as controls:

        async def work(number: int) -> None:
            await asyncio.sleep(number * STAGGER_S)
            while waiting:
                outcome = await run_cell(fire, waiting.pop(), await controls.current())
                (again.append if outcome.problems else done)(outcome)

        async with asyncio.TaskGroup() as group:
            for number in range(min(at_once, len(cells))):
                group.create_task(work(number))
        for failed in again:
            outcome = await run_cell(fire, failed.cell, await controls.current())
            outcome.first_try = failed.problems
            done(outcome)
    return MatrixReport(outcomes, controls.sum_up(), time.monotonic() - began)


async def run_cell(fire: Bench, cell: Cell, control: Control) -> Outcome:
    """One cell in a call of its own."""
    outcome = Outcome(cell)
    try:
        deadlines = hasty_with(cell.stage) if cell.fault == "hang" else PATIENT
        async with fire.line(cell.name, deadlines, embedded=cell.fault == "killed worker") as line:
            began = time.monotonic()
            patient = line.context.settings.model_copy(update={"supervision": PATIENT})
            # The deadline is what is tested, not how soon a real recogniser has its second try on a busy machine.
            line.stub.on_fault = lambda _: setattr(line.context, "settings", patient)
            try:
                told = await Conversation(fire, line, cell).run()
            except (MissedError, TimeoutError, CallEndedError) as error:
                outcome.problems.append(f"{type(error).__name__}: {error}"[:400])
                told = Told()
            _judge(outcome, line, control, told, began)
    except (TimeoutError, OSError, LookupError, CallRefusedError) as error:
        outcome.problems.append(f"the call could not be made: {error!r}")
    return outcome


def _judge(outcome: Outcome, line: Line, control: Control, told: Told, began: float) -> None:
    cell, until = outcome.cell, time.monotonic()
    mine = [restart for restart in line.restarts if restart["stage"] == cell.stage]
    outcome.down_ms = [float(restart["downtime_ms"]) for restart in mine]
    outcome.answer_late_s = told.answer_late_s
    outcome.gap_ms = line.tape.gap_s(began, until) * 1000
    outcome.control_gap_ms = control.line.tape.gap_s(began, until) * 1000
    outcome.problems += line.tape.faults(control.line.tape, began, until)
    for check in (_stays_up, _restarts):
        try:
            check(outcome, line, [str(restart["reason"]) for restart in mine])
        except MissedError as missed:
            outcome.problems.append(str(missed))


def _stays_up(_: Outcome, line: Line, __: list[str]) -> None:
    expect(not line.caller.over, "the call is over")


def _restarts(outcome: Outcome, line: Line, reasons: list[str]) -> None:
    cell = outcome.cell
    if cell.fault in _REASONS:
        expect(_REASONS[cell.fault] in reasons, f"no restart of {cell.stage} was told: {line.restarts}")
    if cell.fault in _IN_PLACE:
        expect(not reasons, f"{cell.stage} was restarted for what needs no restart: {line.restarts}")
    if cell.fault == "refused":
        expect(cell.stage in line.switches, f"{cell.stage} kept the engine that refuses")
    late = [ms for ms in outcome.down_ms if ms > RECOVERY_MS]
    expect(not late, f"down for {late} ms after it was known")
