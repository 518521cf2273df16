"""Whatever dies when: no call has two owners, none on record is lost. `make cluster` runs a thousand of these."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.cluster.histories import World, run

SHORT = 20


def test_in_random_histories_no_call_is_owned_twice_and_none_is_lost():
    steps: Counter[str] = Counter()
    calls = lost = resumed = 0
    for seed in range(SHORT):
        world = run(seed)
        steps += world.seen_steps
        calls += len(world.owner)
        lost += len(world.never_written)
        resumed += sum(world.resumed.values())
    assert min(steps.values()) > 0
    assert len(steps) == 18, "each kind of step came"
    assert calls > 10 * SHORT
    assert resumed > SHORT / 2, "callers came back"
    assert lost < calls / 5


def test_the_check_finds_a_call_with_two_owners():
    world = World(1)
    first, second = (boot for boot in list(world.boots.values())[:2])
    world._admit(first, "")
    second.calls |= first.calls
    with pytest.raises(AssertionError, match="two owners"):
        world.check()
    world.close()


def test_the_check_finds_a_call_that_was_taken_from_an_owner_that_lives():
    """As it would be if a free lock alone were enough."""
    world = World(2)
    boot, other = (boot for boot in list(world.boots.values())[:2])
    world._admit(boot, "")
    world._commit(boot)
    world.lose_locks()
    with world._engine.begin() as connection:
        other.recording.adopt(connection)
    with pytest.raises(AssertionError, match="taken from an owner that lives"):
        world.check()
    world.close()


def test_a_call_that_nobody_buries_is_found():
    world = World(3)
    boot = next(iter(world.boots.values()))
    world._admit(boot, "")
    world._commit(boot)
    world._die(boot)
    world._bury = lambda _: None
    world.dead.add(boot.host)
    with pytest.raises(AssertionError, match="is forgotten"):
        world.settle()
    world.close()


@pytest.mark.nodes
@pytest.mark.timeout(900)
def test_a_thousand_random_histories():
    for seed in range(1_000):
        run(seed)
