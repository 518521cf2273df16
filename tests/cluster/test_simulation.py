"""The simulation of docs/cluster.md in short: a tenth of its hosts, half a minute of its time."""

from __future__ import annotations

import pytest

from tests.cluster import simulation
from tests.cluster.fleet import PLACES, Fleet, one_draw

SIZE = (300, 10_000, 30.0)


def most(fleet: Fleet) -> float:
    return max(sample.most for sample in fleet.samples)


@pytest.fixture(scope="module")
def steady():
    return simulation.steady(*SIZE)


def test_with_reports_that_are_a_second_old_no_host_fills_while_others_have_room(steady):
    assert steady.refused == 0
    assert most(steady) < 0.85  # the mean is 0.61


def test_two_draws_keep_hosts_closer_together_than_one(steady):
    assert most(steady) < most(simulation.steady(*SIZE, choose=one_draw)) - 0.1


def test_when_hosts_die_their_callers_find_places_and_nobody_else_is_touched():
    fleet = simulation.one_in_a_hundred_dies(*SIZE)
    assert fleet.lost > 0
    assert len(fleet.redial_s) == fleet.lost
    assert fleet.refused == 0
    assert max(fleet.redial_s) <= simulation.REDIAL_S + 0.1


def test_a_zone_that_drains_empties_into_the_others():
    fleet = simulation.a_zone_is_drained(*SIZE)
    left = sum(calls for calls, drains in zip(fleet.calls, fleet.draining, strict=True) if drains)
    assert left < 10_000 / 3 * 0.2  # e ** -2 of them last twice the mean
    assert fleet.refused / fleet.offered < 0.001


def test_when_too_many_call_all_places_are_taken_and_no_host_has_more_than_its_own():
    fleet = simulation.too_many(*SIZE)
    assert fleet.refused > 0
    assert most(fleet) == 1.0
    assert sum(fleet.calls) > 0.99 * 300 * sum(PLACES) / 2


def test_the_same_seed_is_the_same_history(steady):
    again = simulation.steady(*SIZE)
    assert again.samples == steady.samples
