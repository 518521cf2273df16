"""The short form of `make chaos`: real calls, and one of each thing that goes wrong in them."""

from __future__ import annotations

from openclaw_actors.testkit.chaos.matrix import walk
from openclaw_actors.testkit.chaos.outages import faulted_turns, scenarios
from openclaw_actors.testkit.chaos.storm import UNBOUND, storm
from openclaw_actors.testkit.chaos.table import SHORT


async def test_a_fault_in_any_stage_costs_the_caller_no_sound_no_word_and_no_answer():
    report = await walk(SHORT, at_once=3)
    assert report.problems == []
    assert len(report.outcomes) == len(SHORT)
    assert report.control.turns > 0


async def test_60_kills_over_4_calls_drop_none_wedge_none_and_leave_nothing_behind():
    report = await storm(4, 60, UNBOUND, 0.25)
    assert report.problems == []
    assert report.kills == 60
    assert report.went.restarts >= 55  # the last may come back after its caller has hung up


async def test_a_provider_that_fails_once_a_turn_leaves_no_turn_unanswered():
    turns = await faulted_turns(calls=3, turns=2)
    assert [turn for turn in turns if not turn.struck] == []
    assert [turn for turn in turns if not turn.whole] == []


async def test_a_server_that_is_gone_is_replaced_in_all_its_stages_within_one_question():
    assert await scenarios(["the server of all three is gone"]) == {"the server of all three is gone": ""}


async def test_a_caller_can_interrupt_although_the_recogniser_hangs():
    name = "the caller interrupts although the recogniser hangs"
    assert await scenarios([name]) == {name: ""}
