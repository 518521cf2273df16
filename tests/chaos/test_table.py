"""The table of what may go wrong leaves nothing out without a reason."""

from __future__ import annotations

from itertools import product

from openclaw_actors.actors.tree import STAGES
from openclaw_actors.messages import START_ORDER
from openclaw_actors.testkit.chaos.table import FAULTS, MOMENTS, POISON, SHORT, Cell, matrix, meaningless, poison


def test_each_cell_is_run_or_says_why_not():
    run = set(matrix())
    left_out = {Cell(stage, fault, moment) for stage, fault, why, moments in meaningless() for moment in moments if why}
    everything = {Cell(*cell) for cell in product(START_ORDER, FAULTS, MOMENTS)}
    assert run | left_out == everything
    assert not run & left_out


def test_every_stage_is_poisoned():
    assert {cell.stage for cell in poison()} == set(STAGES)


def test_the_short_form_is_of_the_table_and_has_every_stage():
    assert {cell for cell in SHORT if not cell.message} <= set(matrix())
    assert all(cell.message in POISON[cell.stage] for cell in SHORT if cell.message)
    assert {cell.stage for cell in SHORT} == set(STAGES)
