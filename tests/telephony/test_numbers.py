"""Who may call and be called, how often and how long: the rules, whatever numbers and times come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from openclaw_actors.settings.numbers import WITHHELD, country_code, is_e164, tidy
from openclaw_actors.settings.sections import NumberRoute
from openclaw_actors.settings.sections import Numbers as NumberSettings
from openclaw_actors.telephony.numbers import DAY_S, HOUR_S, Admitted, Numbers, Refused

OURS, FRIEND, STRANGER = "+15550100002", "+15550100001", "+15550100077"
ALLOWED = NumberSettings(allow_from=(FRIEND,))
PHONE_NUMBERS = st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z")


def rules(**settings) -> Numbers:
    return Numbers(NumberSettings(**settings), OURS)


# --- who may call ---------------------------------------------------------------------------------


def test_a_caller_on_the_list_is_let_in():
    decided = rules(allow_from=(FRIEND,)).inbound(FRIEND, OURS, 0.0)
    assert isinstance(decided, Admitted)
    assert (decided.caller, decided.profile.asks_pin) == (FRIEND, False)


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        (STRANGER, "caller_not_allowed"),
        ("", "caller_withheld"),
        ("anonymous", "caller_withheld"),
        ("Restricted", "caller_withheld"),
        *((number, "caller_withheld") for number in sorted(WITHHELD)),
        ("+999" + FRIEND[1:], "caller_not_allowed"),
        (FRIEND + "0", "caller_not_allowed"),
        (FRIEND[:-1], "caller_not_allowed"),
        (FRIEND[1:], "caller_withheld"),
        (f"{FRIEND} ", "caller_withheld"),
        (f"{FRIEND}\n", "caller_withheld"),
        (f"sip:{FRIEND}@evil.example", "caller_withheld"),
        (f"{STRANGER},{FRIEND}", "caller_withheld"),
        ("+\u0661\u0665\u0665\u0665\u0660\u0661\u0660\u0660\u0660\u0660\u0661", "caller_withheld"),
        ("client:friend", "caller_withheld"),
    ],
)
def test_whoever_is_not_exactly_on_the_list_is_refused(caller, reason):
    decided = rules(allow_from=(FRIEND,)).inbound(caller, OURS, 0.0)
    assert isinstance(decided, Refused)
    assert decided.reason == reason


@given(st.text() | PHONE_NUMBERS)
def test_the_list_lets_in_what_is_on_it_and_nothing_else(caller):
    decided = Numbers(ALLOWED, OURS).inbound(caller, OURS, 0.0)
    assert isinstance(decided, Admitted) == (caller == FRIEND)


@given(st.text() | PHONE_NUMBERS)
def test_nobody_calls_a_number_that_takes_no_calls(caller):
    decided = rules(inbound_policy="disabled", allow_from=(FRIEND,)).inbound(caller, OURS, 0.0)
    assert isinstance(decided, Refused)
    assert decided.reason == "policy_disabled"


@given(st.text() | PHONE_NUMBERS | st.sampled_from(sorted(WITHHELD)))
def test_an_open_number_takes_everybody_but_keeps_strangers_without_a_number_apart(caller):
    decided = rules(inbound_policy="open").inbound(caller, OURS, 0.0)
    assert isinstance(decided, Admitted)
    assert decided.caller in {caller, ""}
    assert (decided.caller == "") == (not is_e164(caller) or caller in WITHHELD)


def test_without_a_list_nobody_is_let_in():
    assert isinstance(rules().inbound(FRIEND, OURS, 0.0), Refused)


def test_a_pin_is_asked_of_who_calls_and_not_of_who_is_called():
    numbers = rules(allow_from=(FRIEND,), pin=SecretStr("4711"))
    assert numbers.inbound(FRIEND, OURS, 0.0).profile.asks_pin
    assert not numbers.outbound(STRANGER, 0.0, sender=OURS).profile.asks_pin


def test_each_number_is_answered_as_its_route_says():
    route = NumberRoute(agent="desk", voice="en-GB-SoniaNeural", greeting="Front desk.", language="en-GB")
    numbers = rules(inbound_policy="open", routes={"+1 (555) 010-0003": route})
    profile = numbers.inbound(FRIEND, "+15550100003", 0.0).profile
    assert (profile.agent, profile.voice, profile.greeting, profile.language) == (
        "desk", "en-GB-SoniaNeural", "Front desk.", "en-GB",
    )  # fmt: skip
    other = numbers.inbound(FRIEND, OURS, 0.0).profile
    assert (other.agent, other.greeting) == ("", None)
    assert numbers.own == {OURS, "+15550100003"}


# --- who may be called ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefixes", "to", "allowed"),
    [
        ((), "+15550100001", True),
        ((), "+4930123456", False),
        (("+49",), "+4930123456", True),
        (("+49",), "+15550100001", False),
        (("+4930",), "+4931123456", False),
        (("+1555", "+44"), "+442071234567", True),
        (("+49",), "0049301234567", False),
        (("+49",), "49301234567", False),
        (("+49",), "+4930123456;+1900", False),
        (("+49",), "+49 30 123456", False),
        ((), OURS, False),
    ],
)
def test_only_numbers_that_begin_as_allowed_are_called(prefixes, to, allowed):
    decided = rules(outbound_prefixes=prefixes).outbound(to, 0.0, sender=OURS)
    assert isinstance(decided, Admitted) == allowed


@given(PHONE_NUMBERS, st.lists(PHONE_NUMBERS.map(lambda number: number[:4]), min_size=1, max_size=3))
def test_no_number_without_an_allowed_beginning_is_ever_called(to, prefixes):
    decided = rules(outbound_prefixes=tuple(prefixes)).outbound(to, 0.0, sender=OURS)
    assert isinstance(decided, Admitted) == (to != OURS and any(to.startswith(prefix) for prefix in prefixes))


@given(st.integers(0, 5), st.lists(st.integers(0, int(3 * HOUR_S)), max_size=30))
def test_never_more_calls_within_an_hour_than_the_cap(cap, times):
    numbers, dialled = rules(outbound_per_hour=cap), []
    for now in sorted(times):
        decided = numbers.outbound(FRIEND, now, sender=OURS)
        if isinstance(decided, Admitted):
            numbers.dialled(now)
            dialled.append(now)
        else:
            assert 0 < decided.retry_after_s <= HOUR_S
            if cap:
                assert isinstance(numbers.outbound(FRIEND, now + decided.retry_after_s, sender=OURS), Admitted)
                numbers = _replayed(cap, dialled)
    for each in dialled:
        assert sum(each - HOUR_S < other <= each for other in dialled) <= cap


def _replayed(cap, dialled) -> Numbers:
    """The same again: asking about the future has made it forget."""
    numbers = rules(outbound_per_hour=cap)
    for now in dialled:
        numbers.dialled(now)
    return numbers


# --- how long -------------------------------------------------------------------------------------


def test_a_call_is_as_long_as_its_budget_lets_it():
    assert rules(inbound_policy="open", minutes_per_call=7).inbound(FRIEND, OURS, 0.0).profile.max_duration_s == 420
    assert rules(inbound_policy="open", minutes_per_call=0).inbound(FRIEND, OURS, 0.0).profile.max_duration_s == 0


def test_the_minutes_of_a_day_are_used_by_all_calls_together():
    numbers = rules(inbound_policy="open", minutes_per_day=10)
    numbers.began("one", 0.0)
    numbers.began("two", 0.0)
    assert numbers.exhausted_in(0.0) == 300
    numbers.ended("one", 240.0)
    assert numbers.seconds_left(240.0) == 120
    assert numbers.exhausted_in(240.0) == 120
    refused = numbers.inbound(FRIEND, OURS, 360.0)
    assert isinstance(refused, Refused)
    assert refused.reason == "daily_minutes"
    assert numbers.outbound(FRIEND, 360.0, sender=OURS).reason == "daily_minutes"
    numbers.ended("two", 360.0)
    later = 360.0 + DAY_S + 1
    assert isinstance(numbers.inbound(FRIEND, OURS, later), Admitted), "a day later they are there again"


def test_what_was_used_before_a_restart_counts():
    numbers = rules(inbound_policy="open", minutes_per_day=10)
    numbers.remember(-3600.0, 550.0)
    assert numbers.seconds_left(0.0) == 50


@given(
    st.lists(st.tuples(st.floats(0, DAY_S), st.floats(0, 3600)), max_size=20),
    st.integers(1, 600),
)
def test_the_minutes_left_are_never_below_zero_and_never_more_than_the_day_has(talks, minutes):
    numbers = rules(minutes_per_day=minutes)
    now = 0.0
    for number, (gap, length) in enumerate(talks):
        now += gap / 20
        numbers.began(str(number), now)
        now += length
        assert 0 <= numbers.seconds_left(now) <= minutes * 60
        numbers.ended(str(number), now)
        numbers.ended(str(number), now)
        assert 0 <= numbers.seconds_left(now) <= minutes * 60
    assert numbers.running == ()


def test_without_a_bound_a_day_has_no_end():
    numbers = rules(minutes_per_day=0)
    numbers.began("one", 0.0)
    assert numbers.seconds_left(10 * DAY_S) == float("inf")
    assert numbers.exhausted_in(0.0) == float("inf")


# --- numbers as text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+15550100001", "+1"),
        ("+79991234567", "+7"),
        ("+4930123456", "+49"),
        ("+35312345678", "+353"),
        ("+85212345678", "+852"),
        ("+8613912345678", "+86"),
        ("+420123456789", "+420"),
        ("+50212345678", "+502"),
        ("+998712345678", "+998"),
    ],
)
def test_a_number_tells_its_country(number, country):
    assert country_code(number) == country


@given(PHONE_NUMBERS)
def test_a_country_is_how_its_number_begins(number):
    assert number.startswith(country_code(number))
    assert 2 <= len(country_code(number)) <= 4


def test_what_people_write_between_digits_is_no_part_of_a_number():
    assert tidy("+1 (555) 010-0001") == "+15550100001"
