"""What is counted in fifties is whole in the end."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from openclaw_actors.observability.tally import Tally


def test_it_adds_in_fifties_and_settles_the_rest_once():
    registry = CollectorRegistry()
    tally = Tally(Counter("packets", "Packets.", registry=registry))
    seen = []
    for _ in range(120):
        tally.more()
        seen.append(registry.get_sample_value("packets_total"))
    assert seen[48] == 0
    assert seen[49] == 50
    assert seen[-1] == 100
    tally.settle()
    tally.settle()
    assert registry.get_sample_value("packets_total") == 120
