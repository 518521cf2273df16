"""Telephone numbers as text (ITU-T E.164): what is one, and which country it is in."""

from __future__ import annotations

import re

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""At most 15 digits, and no real number has fewer than 7. Python's \\d would take digits of other scripts."""

WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+86282452253"})
"""What Twilio sends for a caller without a number: ANONYMOUS, RESTRICTED, BLOCKED, UNAVAILABLE on a keypad."""

_TWO_DIGITS = frozenset(
    {20, 27, 36, 39, 81, 82, 84, 86, 98, *range(30, 35), *range(40, 50), *range(51, 59), *range(60, 67), *range(90, 96)}
) - {42}
"""Country codes of two digits (E.164's list of assigned codes); 1 and 7 have one, all others three."""


def is_e164(text: str) -> bool:
    """Whether ``text`` is exactly a number in E.164, such as ``+15550100001``."""
    return _E164.fullmatch(text) is not None


def tidy(text: str) -> str:
    """The number without what people write between its digits: ``+1 (555) 010-0001`` is ``+15550100001``."""
    return re.sub(r"[ ().\-/\u00a0]", "", text)


def country_code(number: str) -> str:
    """The country's part of a number in E.164: ``+1`` of ``+15550100001``."""
    digits = number.removeprefix("+")
    length = 1 if digits[:1] in {"1", "7"} else 2 if digits[:2].isdecimal() and int(digits[:2]) in _TWO_DIGITS else 3
    return f"+{digits[:length]}"
