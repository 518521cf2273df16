"""Hosts and callers as numbers, in simulated time: where the placement function sends calls when what it knows is old.

Callers arrive at random (Poisson) and stay for a random time (exponential). Each host tells all others once in
``report_s`` how many calls it has, at a moment of its own; between reports nobody counts along: the worst case. A
host that is full by its own count refuses, and one that has died does not answer: then the caller's request is placed
anew, ``TRIES`` times in all. A host that has not told for ``SILENT_S`` is not ready any more.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openclaw_actors.cluster.placement import HostState, place

TRIES = 3
SILENT_S = 3.0
ZONES = ("a", "b", "c")
PLACES = (40, 70)
"""Of a small and a large machine, by turns."""

Choose = Callable[[Sequence[HostState], Callable[[int], int]], str | None]


def one_draw(hosts: Sequence[HostState], draw: Callable[[int], int]) -> str | None:
    """What placing would be without a choice: any host that has room."""
    return next((host.name for host in (hosts[draw(len(hosts))] for _ in range(64)) if host.has_room), None)


def emptiest(hosts: Sequence[HostState], draw: Callable[[int], int]) -> str | None:
    """And with too much of it: the one that told of most room, which all take until it tells anew."""
    del draw
    best = min(hosts, key=lambda host: host.calls / host.max_calls if host.has_room else math.inf)
    return best.name if best.has_room else None


@dataclass(frozen=True, slots=True)
class Sample:
    """How busy the hosts that take calls are, as shares of their places."""

    at: float
    calls: int
    mean: float
    p50: float
    p99: float
    most: float


class Fleet:
    """So many hosts.

    Args:
        hosts: how many.
        report_s: seconds between two reports of a host; 0: everybody knows everything at once.
        choose: places a call.
        seed: of all that is random.
    """

    def __init__(self, hosts: int, *, report_s: float = 1.0, choose: Choose = place, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.places = [PLACES[n % 2] for n in range(hosts)]
        self.calls = [0] * hosts
        self.alive = [True] * hosts
        self.draining = [False] * hosts
        self.seen = [
            HostState(str(n), ZONES[n % 3], 0, self.places[n], draining=False, ready=True) for n in range(hosts)
        ]
        self.offered = self.refused = self.tried_again = self.lost = 0
        self.redial_s: list[float] = []
        """From a call's loss to its next beginning."""
        self.samples: list[Sample] = []
        self.choose = choose
        self._report_s = report_s
        self._reports = sorted((self.rng.random() * report_s, n) for n in range(hosts)) if report_s else []
        self._next_report = 0
        self._ends: list[tuple[float, int, int]] = []
        self._redials: list[tuple[float, float]] = []
        self._fallen = [0] * hosts
        """How often each host has died: a call that ends later was on the one before."""
        self._silent: list[tuple[float, int]] = []

    # --- what happens ----------------------------------------------------------------------------

    def fill(self, calls: int, mean_s: float) -> None:
        """Place so many calls at once, with true counts: an exponential call has no age."""
        for _ in range(calls):
            host = self._arrive(mean_s)
            if host is not None:
                self._tell(host)

    def run(self, seconds: float, *, per_s: float, mean_s: float, sample_s: float = 5.0) -> None:
        """Let callers come and go for so long."""
        end = self.now + seconds
        arrival = self.now + self.rng.expovariate(per_s)
        sample = self.now + sample_s
        while True:
            now = min(arrival, sample, end)
            self._until(now, mean_s)
            self.now = now
            if now == end:
                return
            if now == sample:
                self.sample()
                sample += sample_s
            else:
                self._arrive(mean_s)
                arrival = now + self.rng.expovariate(per_s)

    def kill(self, share: float, redial_within_s: float) -> None:
        """So many of the hosts die at once; their callers call again, each after some of ``redial_within_s``."""
        for host in self.rng.sample(range(len(self.calls)), round(share * len(self.calls))):
            self.alive[host] = False
            self._fallen[host] += 1
            self.lost += self.calls[host]
            for _ in range(self.calls[host]):
                heapq.heappush(self._redials, (self.now + self.rng.random() * redial_within_s, self.now))
            self.calls[host] = 0
            heapq.heappush(self._silent, (self.now + SILENT_S, host))

    def drain(self, zone: str) -> None:
        """The hosts of a zone take no new calls; that is known with their next reports."""
        for host, seen in enumerate(self.seen):
            self.draining[host] |= seen.zone == zone

    def burst(self, calls: int, within_s: float) -> None:
        """So many more callers, spread over so long."""
        for _ in range(calls):
            heapq.heappush(self._redials, (self.now + self.rng.random() * within_s, self.now))

    def sample(self) -> None:
        """Look at the hosts that take calls."""
        taking = [n for n in range(len(self.calls)) if self.alive[n] and not self.draining[n]]
        shares = np.array([self.calls[n] / self.places[n] for n in taking])
        p50, p99, most = np.percentile(shares, [50, 99, 100])
        self.samples.append(
            Sample(self.now, sum(self.calls), float(shares.mean()), float(p50), float(p99), float(most))
        )

    # --- how it happens --------------------------------------------------------------------------

    def _until(self, moment: float, mean_s: float) -> None:
        """All that comes before ``moment``, in its order."""
        while True:
            report = self._reports[self._next_report][0] if self._reports else math.inf
            call_end = self._ends[0][0] if self._ends else math.inf
            redial = self._redials[0][0] if self._redials else math.inf
            silence = self._silent[0][0] if self._silent else math.inf
            first = min(report, call_end, redial, silence)
            if first > moment:
                return
            self.now = first
            if first == report:
                self._report()
            elif first == call_end:
                self._end(*heapq.heappop(self._ends)[1:])
            elif first == redial:
                self._arrive(mean_s, lost_at=heapq.heappop(self._redials)[1])
            else:
                host = heapq.heappop(self._silent)[1]
                self.seen[host] = replace(self.seen[host], ready=False)

    def _report(self) -> None:
        at, host = self._reports[self._next_report]
        self._reports[self._next_report] = (at + self._report_s, host)  # all move on by the same: the order stays
        self._next_report = (self._next_report + 1) % len(self._reports)
        if self.alive[host]:
            self._tell(host)

    def _tell(self, host: int) -> None:
        seen = self.seen[host]
        if seen.calls != self.calls[host] or seen.draining != self.draining[host]:
            self.seen[host] = HostState(
                seen.name, seen.zone, self.calls[host], seen.max_calls, draining=self.draining[host], ready=True
            )

    def _arrive(self, mean_s: float, *, lost_at: float | None = None) -> int | None:
        """A caller is placed: on which host, or on none."""
        self.offered += 1
        for attempt in range(TRIES):
            name = self.choose(self.seen, self.rng.randrange)
            if name is None:
                break
            host = int(name)
            if self.alive[host] and not self.draining[host] and self.calls[host] < self.places[host]:
                self.tried_again += attempt
                self.calls[host] += 1
                heapq.heappush(self._ends, (self.now + self.rng.expovariate(1 / mean_s), host, self._fallen[host]))
                if lost_at is not None:
                    self.redial_s.append(self.now - lost_at)
                if not self._report_s:
                    self._tell(host)
                return host
        self.refused += 1
        return None

    def _end(self, host: int, fallen: int) -> None:
        if fallen == self._fallen[host]:
            self.calls[host] -= 1
            if not self._report_s:
                self._tell(host)
