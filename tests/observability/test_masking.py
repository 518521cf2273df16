"""Any number in E.164, however it is written, leaves its first and last two digits in a log, and nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.observability.masking import mask_digits, mask_numbers

digits = st.text("0123456789", min_size=6, max_size=14)
separators = st.sampled_from(["", "", " ", "-", ".", " (", ") "])


@st.composite
def written(draw) -> tuple[str, str]:
    """An E.164 number as digits, and as somebody writes it."""
    number = draw(st.sampled_from("123456789")) + draw(digits)
    spelled = "".join(digit + draw(separators) for digit in number[:-1]) + number[-1]
    return number, draw(st.sampled_from(["+", "%2B"])) + spelled


before = st.sampled_from(["", "from ", '{"to": "', "tel:", "<sip:"])
after = st.sampled_from(["", ".", '"}', "@host", ", too"])


@given(written(), before, after)
def test_a_number_leaves_its_first_and_last_digits(number, before, after):
    plain, spelled = number
    assert mask_numbers(before + spelled + after) == f"{before}+{plain[:2]}****{plain[-2:]}{after}"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-29T16:33:21.123456+00:00",
        "call_01M8M2G4V2WS4MRR88ZPKCYSJJ",
        "192.168.100.101:40001",
        "took 0.001234567 s",
        "+1555",
        "1764434001.1234567",
        "a+b 12345678",
        "x" * 5000,
    ],
)
def test_what_is_no_phone_number_stays_as_it_is(text):
    assert mask_numbers(text) == text
    assert mask_digits(text) == text


def test_the_prefix_00_is_a_plus_and_masking_twice_is_masking_once():
    once = mask_numbers("rang 0049 1512 345667 and 0015551234567")
    assert once == "rang 00****67 and 00****67"
    assert mask_numbers(once) == once
    assert not re.search(r"\d{4}", once)
