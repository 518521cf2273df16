"""Digits in what is said and pressed."""

from __future__ import annotations

import pytest

from openclaw_actors.turns.spoken_digits import spoken_digits


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("one two three four", "1234"),
        ("One, two, three, four.", "1234"),
        ("1234", "1234"),
        ("1 2 3 4", "1234"),
        ("12 34", "1234"),
        ("oh seven zero nine", "0709"),
        ("won too for ate", "1248"),
        ("double five triple zero", "55000"),
        ("double 7", "77"),
        ("my pin is four seven one one", "4711"),
        ("[keys pressed] 4 7 1 1", "4711"),
        ("vier sieben eins eins", "4711"),
        ("I want to ask for the weather", ""),
        ("double", ""),
        ("", ""),
        ("the code is", ""),
        ("\u0664\u0667\u0661\u0661", ""),
    ],
)
def test_the_digits_of_a_number_and_of_nothing_else(text, digits):
    assert spoken_digits(text) == digits
