"""Which host gets the next call: of two drawn at random, the one with more of its places free.

Nobody asks all hosts, and nobody keeps an order of them, which would send all that arrives between two reports to the
host that looks emptiest. Two draws are enough: the fullest of n hosts that are chosen so is log log n calls above the
mean, where one draw leaves it log n / log log n above (Azar, Broder, Karlin, Upfal: Balanced Allocations, 1994;
Mitzenmacher: The Power of Two Choices, 1996). That stands with reports that are a second old (docs/cluster.md has
100,000 calls on 3,000 hosts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_DRAWS = 16
"""Before all hosts are looked through: where half of them have room, that comes once in 65,000 calls; with a tenth of
them, at every fifth. Looking through 3,000 takes 0.2 ms."""


@dataclass(frozen=True, slots=True)
class HostState:
    """A host, as it last told.

    Args:
        name: its own; call ids carry it.
        zone: which hosts fail or are drained together; placing does not look at it.
        calls: that it has now.
        max_calls: that it takes at once.
        draining: it takes no new ones and waits for those it has.
        ready: its engines serve, and it answers.
    """

    name: str
    zone: str
    calls: int
    max_calls: int
    draining: bool
    ready: bool

    @property
    def has_room(self) -> bool:
        """Whether it takes one more."""
        return self.ready and not self.draining and self.calls < self.max_calls


def place(hosts: Sequence[HostState], draw: Callable[[int], int]) -> str | None:
    """The name of the host that gets the next call; None if none has room.

    Free places are compared as a share of all that the host has: a small host and a large one shall be equally busy,
    for how late a host's loop is goes by that. (Where half of the hosts have less than a third of the others' places,
    those fill first: for a quarter of all calls both that are drawn are small.)

    Args:
        hosts: all of them, in any order.
        draw: a number in ``range(n)``, each as likely as the others.
    """
    first: HostState | None = None
    for _ in range(_DRAWS if hosts else 0):
        host = hosts[draw(len(hosts))]
        if host is first or not host.has_room:
            continue
        if first is not None:
            return _emptier(first, host).name
        first = host
    if first is not None:
        return first.name
    room = [host for host in hosts if host.has_room]
    return _emptier(room[draw(len(room))], room[draw(len(room))]).name if room else None


def _emptier(one: HostState, other: HostState) -> HostState:
    """Products in place of quotients: whole numbers have no rounding."""
    return one if one.calls * other.max_calls <= other.calls * one.max_calls else other
