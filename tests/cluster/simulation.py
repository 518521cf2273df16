"""Where calls go in a cluster larger than any machine here: ``python -m tests.cluster.simulation`` (`make placement`).

The placement function itself, under callers as numbers (fleet.py): 100,000 calls at once on 3,000 hosts in three zones.
Prints a table; docs/cluster.md has it. One core, a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from openclaw_actors.cluster.placement import place
from tests.cluster.fleet import Choose, Fleet, emptiest, one_draw

MEAN_S = 180.0
"""How long a call lasts, in the mean."""

REDIAL_S = 5.0
"""A page calls again by itself within that; who holds a telephone is slower."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table."""

    what: str
    fleet: Fleet
    took_s: float

    def cells(self) -> tuple[str, ...]:
        """As text."""
        fleet, samples = self.fleet, self.fleet.samples
        calls = sum(sample.calls for sample in samples) / len(samples)
        mean, p50, p99 = (
            sum(getattr(sample, name) for sample in samples) / len(samples) for name in ("mean", "p50", "p99")
        )
        most = max(sample.most for sample in samples)
        return (
            self.what,
            f"{calls:,.0f}",
            f"{mean:.1%}",
            f"{p50:.1%}",
            f"{p99:.1%}",
            f"{most:.1%}",
            f"{most / mean:.2f}",
            f"{fleet.refused / fleet.offered:.3%}",
            f"{fleet.tried_again / fleet.offered:.2%}",
        )


HEADINGS = ("", "calls", "busy, mean", "p50", "p99", "most", "most / mean", "refused", "placed twice")


def steady(hosts: int, calls: int, seconds: float, *, report_s: float = 1.0, choose: Choose = place) -> Fleet:
    """Callers come and go."""
    fleet = Fleet(hosts, report_s=report_s, choose=choose)
    fill(fleet, calls)
    fleet.run(seconds, per_s=calls / MEAN_S, mean_s=MEAN_S)
    return fleet


def fill(fleet: Fleet, calls: int) -> None:
    """Bring it to where it stays, and count from there."""
    fleet.fill(calls, MEAN_S)
    fleet.run(20, per_s=calls / MEAN_S, mean_s=MEAN_S)
    fleet.samples.clear()
    fleet.offered = fleet.refused = fleet.tried_again = 0


def one_in_a_hundred_dies(hosts: int, calls: int, seconds: float) -> Fleet:
    """A power strip: their callers call again."""
    fleet = Fleet(hosts)
    fill(fleet, calls)
    fleet.kill(0.01, REDIAL_S)
    fleet.run(seconds, per_s=calls / MEAN_S, mean_s=MEAN_S, sample_s=1.0)
    return fleet


def a_zone_is_drained(hosts: int, calls: int, seconds: float) -> Fleet:
    """A third of all hosts; their calls go on, all new ones go elsewhere."""
    fleet = Fleet(hosts)
    fill(fleet, calls)
    fleet.drain("a")
    fleet.run(max(seconds, 2 * MEAN_S), per_s=calls / MEAN_S, mean_s=MEAN_S)
    return fleet


def everybody_calls_at_once(hosts: int, calls: int, seconds: float) -> Fleet:
    """A fifth more callers than there are, within one second, that is between two reports of each host."""
    fleet = Fleet(hosts)
    fill(fleet, calls)
    fleet.burst(calls // 5, 1.0)
    fleet.run(min(seconds, 30), per_s=calls / MEAN_S, mean_s=MEAN_S, sample_s=1.0)
    return fleet


def too_many(hosts: int, calls: int, seconds: float) -> Fleet:
    """Twice as many as fill two thirds."""
    fleet = Fleet(hosts)
    fill(fleet, calls)
    fleet.run(max(seconds, 2 * MEAN_S), per_s=2 * calls / MEAN_S, mean_s=MEAN_S, sample_s=5.0)
    fleet.samples = fleet.samples[len(fleet.samples) // 2 :]
    return fleet


def all_go_to_the_emptiest(hosts: int, calls: int, seconds: float) -> Fleet:
    """For a short time: it looks at every host for each call."""
    fleet = Fleet(hosts)
    fill(fleet, calls)
    fleet.choose = emptiest
    fleet.run(seconds / 12, per_s=calls / MEAN_S, mean_s=MEAN_S, sample_s=1.0)
    return fleet


Scenario = Callable[[int, int, float], Fleet]

SCENARIOS: dict[str, Scenario] = {
    "reports each second": steady,
    "every report known at once": lambda *size: steady(*size, report_s=0),
    "reports each 5 s": lambda *size: steady(*size, report_s=5),
    "1 % of hosts die": one_in_a_hundred_dies,
    "a zone is drained": a_zone_is_drained,
    "20 % more within 1 s": everybody_calls_at_once,
    "twice as many callers": too_many,
    "in place of two draws, one": lambda *size: steady(*size, choose=one_draw),
    "in place of two draws, all": all_go_to_the_emptiest,
}


def run(hosts: int, calls: int, seconds: float) -> list[Outcome]:
    """All of them."""
    outcomes = []
    for what, scenario in SCENARIOS.items():
        began = time.perf_counter()
        outcomes.append(Outcome(what, scenario(hosts, calls, seconds), time.perf_counter() - began))
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """As Markdown."""
    rows = [HEADINGS, ("---", *["--:"] * (len(HEADINGS) - 1)), *(outcome.cells() for outcome in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def say(text: str) -> None:
    """To standard output."""
    sys.stdout.write(text + "\n")


def main() -> None:
    """Print the table, and what a table can't say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=3_000)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    chosen = parser.parse_args()
    outcomes = run(chosen.hosts, chosen.calls, chosen.seconds)
    say(table(outcomes))
    died = next(outcome.fleet for outcome in outcomes if outcome.what == "1 % of hosts die")
    again = sorted(died.redial_s)
    say(
        f"\n1 % of hosts: {died.lost} calls lost, {len(again)} of them placed again, the last {again[-1]:.1f} s after "
        f"the loss, of which its caller took up to {REDIAL_S:g} s"
    )
    say("took " + ", ".join(f"{outcome.what or '-'}: {outcome.took_s:.1f} s" for outcome in outcomes))
    fleet = Fleet(chosen.hosts)
    fill(fleet, chosen.calls)
    began = time.perf_counter()
    for _ in range(100_000):
        place(fleet.seen, fleet.rng.randrange)
    say(f"one placement takes {(time.perf_counter() - began) * 10:.1f} us")


if __name__ == "__main__":
    main()
