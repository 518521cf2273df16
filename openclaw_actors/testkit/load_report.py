"""What a load brought: percentiles, drops, what it cost the host, and whether the callers kept time themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan
from statistics import quantiles
from typing import Any

from openclaw_actors.testkit.load import LoadCaller, LoadPlan, Sample, Tally
from openclaw_actors.testkit.load_target import Meter

LAG_LIMIT_MS = 10.0
"""A caller whose own packets leave later than this (p99) measures itself, not the host: the run is void."""


def percentile(values: Sequence[float], percent: int) -> float:
    """In the unit of ``values``; nan without any."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds; nan without a sample."""

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Spread:
        """Of those that count."""
        values = [1000 * sample.seconds for sample in samples if sample.counts]
        p50, p90, p95, p99 = (percentile(values, percent) for percent in (50, 90, 95, 99))
        return cls(len(values), p50, p90, p95, p99, max(values, default=float("nan")))

    def as_dict(self) -> dict[str, float | None]:
        """JSON-ready: a tenth of a millisecond; None for what there is not."""
        return {name: None if isnan(value) else round(value, 1) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One level of load."""

    calls: int
    refused: tuple[str, ...]
    dropped: int
    unanswered: int
    short_replies: int
    setup: Spread
    turn: Spread
    barge_in: Spread
    longest_gaps: tuple[tuple[float, float], ...]
    """Each caller's: when it ended (monotonic), and how long it was; seconds."""
    packets: int
    lost_packets: int
    own_lag_p99_ms: float
    cpu_percent: float | None
    rss_mb: float | None

    @classmethod
    def of(cls, plan: LoadPlan, tally: Tally, callers: Sequence[LoadCaller], meter: Meter) -> LoadReport:
        """All that was measured."""
        figures = meter.figures()
        return cls(
            calls=plan.calls,
            refused=tuple(tally.refused),
            dropped=tally.dropped,
            unanswered=tally.unanswered,
            short_replies=tally.short_replies,
            setup=Spread.of(tally.setups),
            turn=Spread.of(tally.turns),
            barge_in=Spread.of(tally.barge_ins),
            longest_gaps=tuple((caller.heard.longest_gap_at, caller.heard.longest_gap_s) for caller in callers),
            packets=sum(caller.heard.packets for caller in callers),
            lost_packets=sum(caller.heard.lost_packets for caller in callers),
            own_lag_p99_ms=max((1000 * caller.pacing.p99() for caller in callers), default=0.0),
            cpu_percent=figures["cpu_percent"],
            rss_mb=figures["rss_mb"],
        )

    @property
    def longest_gap_ms(self) -> float:
        """Between two packets of a caller."""
        return max((1000 * seconds for _, seconds in self.longest_gaps), default=0.0)

    @property
    def void(self) -> bool:
        """The callers were late themselves: the figures say nothing about the host."""
        return self.own_lag_p99_ms > LAG_LIMIT_MS

    @property
    def whole(self) -> bool:
        """Every call came about and went on to its end, and every question was answered."""
        return not (self.refused or self.dropped or self.unanswered) and self.turn.count > 0

    @property
    def cpu_percent_per_call(self) -> float | None:
        """Of one core."""
        return None if self.cpu_percent is None else round(self.cpu_percent / max(1, self.calls), 2)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "calls": self.calls,
            "refused": list(self.refused),
            "dropped": self.dropped,
            "unanswered": self.unanswered,
            "short_replies": self.short_replies,
            "setup_ms": self.setup.as_dict(),
            "turn_ms": self.turn.as_dict(),
            "barge_in_ms": self.barge_in.as_dict(),
            "longest_gap_ms": round(self.longest_gap_ms),
            "packets": self.packets,
            "lost_packets": self.lost_packets,
            "own_lag_p99_ms": round(self.own_lag_p99_ms, 1),
            "cpu_percent": self.cpu_percent,
            "cpu_percent_per_call": self.cpu_percent_per_call,
            "rss_mb": self.rss_mb,
            "void": self.void,
        }
