"""Small numbers as recognisers write them, in digits or in English words, and back."""

from __future__ import annotations

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_ONES = {word: value for value, word in enumerate(_SMALL)} | {"a": 1}
_RUN_MAX = 5
"""Words in a number: "nine hundred and ninety nine"."""
_DIGITS_MAX = 9
"""More digits in one word are a telephone number."""


def _value(words: list[str]) -> int | None:
    """The number that all of ``words`` make, below a thousand in words, of any size in digits."""
    total = 0
    room = 1_000  # what the next word must stay below: "twenty three", not "three twenty"
    for word in words:
        if word.isdecimal() and len(word) <= _DIGITS_MAX:
            return int(word) if len(words) == 1 else None
        if word == "hundred":
            if not 1 <= total <= 9:
                return None
            total, room = total * 100, 100
            continue
        part = _TENS.get(word, _ONES.get(word))
        if part is None or part >= room:
            return None
        total += part
        room = 10 if word in _TENS else 1
    return total if words else None


def numbers_in(words: list[str]) -> list[int]:
    """The numbers among ``words``, in order, each the longest that can be read: "count to two hundred and three"."""
    found, at = [], 0
    while at < len(words):
        for length in range(min(_RUN_MAX, len(words) - at), 0, -1):
            run = words[at : at + length]
            value = _value([word for word in run if word != "and"])
            if value is not None and run != ["a"]:
                found.append(value)
                at += length
                break
        else:
            at += 1
    return found


def say_number(number: int) -> str:
    """A number from 0 to 99 in words."""
    if number < len(_SMALL):
        return _SMALL[number]
    tens = next(word for word, value in _TENS.items() if value == number // 10 * 10)
    return f"{tens} {_SMALL[number % 10]}" if number % 10 else tens
