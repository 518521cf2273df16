# ruff: noqa: RUF001  signs are what this is about
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.turns.spoken_form import spoken_form


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Call +1 555 010 0001 now.", "Call plus 1, 5 5 5, 0 1 0, 0 0 0 1 now."),
        ("Call (555) 010-0001, please", "Call 5 5 5, 0 1 0, 0 0 0 1, please"),
        ("It is 5550100001.", "It is 5 5 5, 0 1 0, 0 0 0 1."),
        ("+4930123456", "plus 4 9 3, 0 1 2, 3 4 5 6"),
    ],
)
def test_a_telephone_number_is_read_digit_by_digit(text: str, said: str):
    assert spoken_form(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "in 2026, 25 of 1,234,567 people, 3.5 times, at 14:30",
        "on 2026-11-20 or 20.11.2026 or 11/20/2026",
        "version 3.11.7, chapter 12, 100000 steps",
        "a well-known e-mail, 5-star, COVID-19, x-1",
        "and/or, AT&T, C++",
    ],
)
def test_what_voices_read_well_is_left_to_them(text: str):
    assert spoken_form(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3-5 days, 1990–2000", "3 to 5 days, 1990 to 2000"),
        ("It costs $3.50, or €1, or 20 £.", "It costs 3 dollars 50, or 1 euro, or 20 pounds."),
        ("$1,234.00 for it", "1,234 dollars for it"),
        ("21 °C, 70°F, 5° left", "21 degrees Celsius, 70 degrees Fahrenheit, 5 degrees left"),
        ("120 km/h", "120 kilometres per hour"),
        ("It is -5 degrees, −3 at night", "It is minus 5 degrees, minus 3 at night"),
        ("2+2=4 and 3 × 4", "2 plus 2 equals 4 and 3 times 4"),
        ("about ≈5, salt & pepper", "about about 5, salt and pepper"),
    ],
)
def test_signs_become_words(text: str, said: str):
    assert spoken_form(text) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de-DE", "3 bis 5 Tage bei 21 Grad Celsius, 3 Euro 50"),
        ("fr", "3 à 5 Tage bei 21 degrés Celsius, 3 euros 50"),
        ("ja", "3-5 Tage bei 21 °C, 3,50 €"),
    ],
)
def test_they_are_words_of_the_calls_language_and_of_none_that_is_not_known(language: str, said: str):
    assert spoken_form("3-5 Tage bei 21 °C, 3,50 €", language) == said


@given(st.text("0123456789 +-.,:/()$€°CF%xa=&~", max_size=60))
def test_no_digit_is_lost_or_made_up(text: str):
    def digits(text: str) -> str:
        return "".join(char for char in text if char.isdecimal())

    spoken = digits(spoken_form(text))
    whole = digits(text)
    assert spoken == whole or len(spoken) < len(whole)  # 5.00 dollars are 5 dollars, 3.05 are 3 dollars 5
    assert spoken_form(spoken_form(text)) is not None
