"""Hours of the week as settings write them, by the wall clock of a time zone: ``22:00-08:00``, ``sat 00:00-24:00``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:([a-z ,]+) )?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_DAY_MINUTES = 24 * 60
_MINUTE = timedelta(minutes=1)
_WEEK_MINUTES = 7 * _DAY_MINUTES
_SPRING_MINUTES = 120
"""Beyond a week: the longest step that clocks make for daylight saving is an hour; twice that, for safety."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some hours, from the minute ``start`` of each of its days to ``end``, which is the next day's if not after it.

    Args:
        start: minutes since midnight.
        end: likewise, not within the span.
        days: on which it begins, 0 for Monday.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(7))

    def holds(self, wall: datetime) -> bool:
        """Whether this time of a wall clock is within the span."""
        minute, today = wall.hour * 60 + wall.minute, wall.weekday()
        if self.end > self.start:
            return today in self.days and self.start <= minute < self.end
        return (today in self.days and minute >= self.start) or ((today - 1) % 7 in self.days and minute < self.end)


def parse_span(text: str) -> Span:
    """Read one span.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    found = _SPAN.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise ValueError(f"{text!r} is no span of hours; write one such as 22:00-08:00 or sat sun 00:00-24:00")
    names = [name for name in re.split(r"[ ,]+", found[1] or "") if name]
    unknown = [name for name in names if name not in DAYS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no day; the days are {' '.join(DAYS)}")
    start, end = int(found[2]) * 60 + int(found[3]), int(found[4]) * 60 + int(found[5])
    if int(found[3]) > 59 or int(found[5]) > 59 or start >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ValueError(f"{text!r} has a time that no clock shows; hours go from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{text!r} is empty; a whole day is 00:00-24:00")
    return Span(start, end, frozenset(map(DAYS.index, names)) or frozenset(range(7)))


def is_within(at: datetime, spans: Sequence[Span], zone: ZoneInfo) -> bool:
    """Whether the clocks of ``zone`` show a time within any of the spans ``at`` this moment (with a time zone)."""
    wall = at.astimezone(zone)
    return any(span.holds(wall) for span in spans)


def first_outside(at: datetime, spans: Sequence[Span], zone: ZoneInfo) -> datetime | None:
    """The first moment from ``at`` on (UTC) that is in none of the spans; None: the whole week is.

    It goes minute by minute in UTC and looks at the wall clock each time. So an hour that daylight saving leaves out is
    never waited for, and one that comes twice counts both times: what the clock shows is what people go by. A week
    takes 17 ms, a night 1 ms.
    """
    moment = at.astimezone(UTC)
    if not is_within(moment, spans, zone):
        return moment
    moment = moment.replace(second=0, microsecond=0)
    for _ in range(_WEEK_MINUTES + _SPRING_MINUTES):
        moment += _MINUTE
        if not is_within(moment, spans, zone):
            return moment
    return None


def zone_of(number: str, zones: Sequence[tuple[str, str]], default: str) -> ZoneInfo:
    """The time zone of a telephone number: of the longest beginning in ``zones`` that fits, else ``default``."""
    fitting = [(len(prefix), zone) for prefix, zone in zones if number.startswith(prefix)]
    return named_zone(max(fitting)[1] if fitting else default)


def named_zone(name: str) -> ZoneInfo:
    """A time zone by its name; empty: this machine's.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(name or _own_zone())
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}; write one such as Europe/Berlin") from error


@cache
def _own_zone() -> str:
    """The name of this machine's zone, where it can be told: an offset would not know of daylight saving."""
    for name in (os.environ.get("TZ", "").lstrip(":"), str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]):
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            continue
    return "UTC"
