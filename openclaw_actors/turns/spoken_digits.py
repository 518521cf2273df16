"""The digits that somebody says or presses: ``one two, three four`` and ``1 2 3 4`` alike; pure."""

from __future__ import annotations

from openclaw_actors.turns.barge_in import words

_NAMES = {
    name: digit
    for digit, names in {
        "0": "zero oh o nought null",
        "1": "one won eins un uno",
        "2": "two too to zwei zwo deux dos",
        "3": "three drei trois tres",
        "4": "four for vier quatre cuatro",
        "5": "five fünf cinq cinco",
        "6": "six sechs seis",
        "7": "seven sieben sept siete",
        "8": "eight ate acht huit ocho",
        "9": "nine neun neuf nueve",
    }.items()
    for name in names.split()
}
"""English with what recognisers take its digits for, German, French, Spanish. Others press them."""
_AROUND = frozenset(
    "my the pin code number is its and a um uh yes ok okay please keys pressed it".split()  # noqa: SIM905 - a list of words
)
_REPEATS = {"double": 2, "triple": 3}


def spoken_digits(text: str) -> str:
    """The digits in their order, of a text that is about nothing else; empty for any other.

    "I want to ask for …" holds a "to" and a "for", and no number.
    """
    digits, times = [], 1
    for word in words(text):
        found = word if word.isascii() and word.isdecimal() else _NAMES.get(word, "")
        if found:
            digits.append(found[0] * (times - 1) + found)
        elif word not in _AROUND and word not in _REPEATS:
            return ""
        times = _REPEATS.get(word, 1)
    return "".join(digits)
