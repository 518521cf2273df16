"""A call goes to a host that has room, wherever one is, and rather to the emptier of two."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.cluster.placement import HostState, place

ROOMY = HostState("roomy", "a", calls=3, max_calls=10, draining=False, ready=True)

states = st.builds(
    HostState,
    name=st.just(""),
    zone=st.sampled_from("abc"),
    calls=st.integers(0, 12),
    max_calls=st.integers(0, 12),
    draining=st.booleans(),
    ready=st.booleans(),
)
fleets = st.lists(states, max_size=40).map(
    lambda hosts: [replace(host, name=f"host-{number}") for number, host in enumerate(hosts)]
)


def named(hosts: list[HostState], name: str | None) -> HostState:
    return next(host for host in hosts if host.name == name)


@given(fleets, st.randoms(use_true_random=False))
def test_a_call_finds_a_place_if_and_only_if_some_host_has_room(hosts, rng):
    name = place(hosts, rng.randrange)
    if name is None:
        assert not any(host.has_room for host in hosts)
    else:
        assert named(hosts, name).has_room


@given(fleets, st.randoms(use_true_random=False))
def test_a_draining_a_full_and_an_unready_host_get_nothing(hosts, rng):
    name = place(hosts, rng.randrange)
    if name is not None:
        host = named(hosts, name)
        assert host.ready
        assert not host.draining
        assert host.calls < host.max_calls


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(51, 200)), min_size=2, max_size=2), st.booleans())
def test_of_two_hosts_the_emptier_gets_it(sizes, swapped):
    one, other = (
        HostState(name, "a", calls, most, draining=False, ready=True)
        for name, (calls, most) in zip(("one", "other"), sizes, strict=True)
    )
    draws = iter((1, 0) if swapped else (0, 1))
    name = place([one, other], lambda _: next(draws))
    shares = {host.name: host.calls / host.max_calls for host in (one, other)}
    assert name is not None
    assert shares[name] == min(shares.values())


@given(st.integers(1, 500), st.randoms(use_true_random=False))
def test_the_one_host_that_has_room_is_found_among_many_that_have_none(others, rng):
    full = [replace(ROOMY, name=f"full-{number}", calls=10) for number in range(others)]
    hosts = [*full, ROOMY]
    rng.shuffle(hosts)
    assert place(hosts, rng.randrange) == "roomy"


def test_no_host_is_no_place():
    assert place([], random.Random(1).randrange) is None


def test_a_host_alone_gets_every_call():
    assert place([ROOMY], random.Random(1).randrange) == "roomy"


def test_a_small_host_and_a_large_one_become_equally_busy():
    rng = random.Random(2)
    hosts = [replace(ROOMY, name=f"small-{n}", calls=0, max_calls=40) for n in range(20)]
    hosts += [replace(ROOMY, name=f"large-{n}", calls=0, max_calls=80) for n in range(20)]
    for _ in range(1_200):  # of 2,400 places
        name = place(hosts, rng.randrange)
        at = next(place for place, host in enumerate(hosts) if host.name == name)
        hosts[at] = replace(hosts[at], calls=hosts[at].calls + 1)
    busy = {host.name: host.calls / host.max_calls for host in hosts}
    assert max(busy.values()) < 0.65
    assert sum(share for name, share in busy.items() if name.startswith("small")) / 20 > 0.45


def test_of_many_equal_hosts_none_is_preferred():
    rng = random.Random(3)
    hosts = [replace(ROOMY, name=f"host-{n}") for n in range(10)]
    chosen = Counter(place(hosts, rng.randrange) for _ in range(10_000))
    assert len(chosen) == 10
    assert max(chosen.values()) < 1_200


def test_a_large_fleet_is_not_looked_through_for_each_call():
    class Watched(list[HostState]):
        read = 0

        def __getitem__(self, at):
            self.read += 1
            return super().__getitem__(at)

        def __iter__(self):
            raise AssertionError("all hosts were looked through")

    rng = random.Random(4)
    hosts = Watched(replace(ROOMY, name=f"host-{n}", calls=10 * (n % 2)) for n in range(3_000))
    for _ in range(1_000):
        assert place(hosts, rng.randrange) is not None
    assert hosts.read < 5_000  # four a call, half of the hosts being full
