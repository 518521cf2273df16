"""Quiet hours go by the clock on the wall: across midnight, and when clocks are put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.settings.hours import Span, first_outside, is_within, named_zone, parse_span, zone_of

BERLIN, NEW_YORK, LORD_HOWE = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
NIGHT = [parse_span("22:00-08:00")]


def between(first: str, last: str) -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last))


zones = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Asia/Kathmandu"), ZoneInfo("UTC")])
# Around both changes of the year in all of these zones, and at any other time.
moments = st.one_of(
    between("2026-03-07", "2026-04-06"),
    between("2026-09-26", "2026-11-02"),
    between("2026-01-01", "2027-01-01"),
).map(lambda at: at.replace(tzinfo=UTC))
minutes = st.integers(0, 24 * 60 - 1)
spans = st.builds(Span, minutes, minutes, st.frozensets(st.integers(0, 6), min_size=1)).filter(
    lambda span: span.start != span.end
)


def wall(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-01-14T21:59:59", "2026-01-14T21:59:59"),
        ("2026-01-14T22:00:00", "2026-01-15T08:00:00"),
        ("2026-01-15T00:00:00", "2026-01-15T08:00:00"),
        ("2026-01-15T07:59:30", "2026-01-15T08:00:00"),
        ("2026-01-15T08:00:00", "2026-01-15T08:00:00"),
    ],
)
def test_a_night_crosses_midnight(at, until):
    assert first_outside(wall(at, BERLIN), NIGHT, BERLIN) == wall(until, BERLIN)


def test_a_night_in_which_clocks_change_ends_when_the_clock_says_so():
    spring = first_outside(wall("2026-03-28T23:00", BERLIN), NIGHT, BERLIN)
    autumn = first_outside(wall("2026-10-24T23:00", BERLIN), NIGHT, BERLIN)
    assert spring == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)  # 8 hours later
    assert autumn == datetime(2026, 10, 25, 7, 0, tzinfo=UTC)  # 10 hours later
    assert {each.astimezone(BERLIN).hour for each in (spring, autumn)} == {8}


def test_an_end_that_the_clock_leaves_out_is_not_waited_for():
    until_half_past_two = [parse_span("01:00-02:30")]
    assert first_outside(wall("2026-03-29T01:30", BERLIN), until_half_past_two, BERLIN) == wall(
        "2026-03-29T03:00", BERLIN
    )


def test_an_hour_that_comes_twice_is_quiet_twice():
    twice = [parse_span("02:00-03:00")]
    assert first_outside(wall("2026-10-25T02:10", BERLIN), twice, BERLIN) == wall("2026-10-25T03:00", BERLIN)


def test_days_are_those_on_which_a_span_begins():
    weekend = [parse_span("fri sat 22:00-10:00"), parse_span("Sun, 00:00-24:00")]
    friday_night = wall("2026-01-16T23:00", BERLIN)
    assert first_outside(friday_night, weekend, BERLIN) == wall("2026-01-17T10:00", BERLIN)
    assert first_outside(wall("2026-01-17T22:00", BERLIN), weekend, BERLIN) == wall("2026-01-19T00:00", BERLIN)
    assert not is_within(wall("2026-01-15T23:00", BERLIN), weekend, BERLIN)


@settings(max_examples=60, deadline=None)
@given(moments, st.lists(spans, max_size=3), zones)
def test_the_moment_that_is_found_is_the_first_that_is_not_quiet(at, quiet, zone):
    found = first_outside(at, quiet, zone)
    if found is None:
        assert all(is_within(at + timedelta(minutes=15 * step), quiet, zone) for step in range(7 * 24 * 4))
        return
    assert found >= at
    assert not is_within(found, quiet, zone)
    passed = int((found - at).total_seconds())
    assert all(is_within(at + timedelta(seconds=step), quiet, zone) for step in range(0, passed, max(60, passed // 50)))
    assert passed == 0 or is_within(found - timedelta(minutes=1), quiet, zone)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("evenings", "22:00-08:00"),
        ("25:00-26:00", "no clock"),
        ("22:00-22:60", "no clock"),
        ("08:00-08:00", "00:00-24:00"),
        ("someday 08:00-09:00", "someday"),
    ],
)
def test_what_is_no_span_is_told_with_what_to_write(text, says):
    with pytest.raises(ValueError, match=says):
        parse_span(text)


def test_the_longest_beginning_of_a_number_says_its_zone():
    known = [("+1", "America/New_York"), ("+1415", "America/Los_Angeles"), ("+49", "Europe/Berlin")]
    assert zone_of("+14155550100", known, "UTC").key == "America/Los_Angeles"
    assert zone_of("+12125550100", known, "UTC").key == "America/New_York"
    assert zone_of("+44205550100", known, "UTC").key == "UTC"


def test_this_machines_zone_has_a_name_that_knows_of_daylight_saving(monkeypatch):
    assert named_zone("").key
    with pytest.raises(ValueError, match="Europe/Berlin"):
        named_zone("Mars/Olympus")
