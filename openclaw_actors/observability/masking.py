"""Phone numbers, made unreadable where people read along: ``+49****67`` for +491512345667."""

from __future__ import annotations

import re
from typing import Any

NUMBER_KEYS = frozenset({"from", "to", "caller", "callee", "number", "phone"})
"""Fields of a log line that hold a number even when it is written without its plus."""

_KEPT_AT_END = 2
_KEPT_AT_START = 2
"""Digits that stay, so that two callers can be told apart: the country, mostly, and the last two."""

# E.164: a plus and 7 to 15 digits, of which the first is no 0. People and libraries put blanks, dots, hyphens, slashes
# and brackets between them; a URL has %2B for the plus.
_E164 = re.compile(r"(?:\+|%2[Bb])(?:\s|%20)?[1-9](?:[ .\-/()\u00a0]{0,3}\d){6,14}(?![\d])")
_INTERNATIONAL = re.compile(r"(?<![\w.:+\-/])00[1-9](?:[ .\-/()\u00a0]?\d){7,14}(?![\w.:])")
"""With the international prefix 00. No timestamp, id or decimal begins so."""
_BARE = re.compile(r"\+?\(?(?:\d[ \-/()]{0,3}){6,14}\d")
"""No dots: it may be an address of a browser's."""


def mask_numbers(text: str) -> str:
    """``text`` with every international phone number in it masked."""
    if "+" not in text and "00" not in text and "%2" not in text:
        return text
    return _INTERNATIONAL.sub(_masked, _E164.sub(_masked, text))


def mask_digits(value: Any) -> Any:
    """``value`` masked if it is a string that is nothing but a phone number, with a plus or without; else as it is."""
    return _shortened(value) if isinstance(value, str) and _BARE.fullmatch(value) else value


def _masked(found: re.Match[str]) -> str:
    return _shortened(found.group())


def _shortened(number: str) -> str:
    digits = re.sub(r"\D", "", re.sub(r"^(%2[Bb])|%20", "", number))
    plus = "+" if number[:1] in {"+", "%"} else ""
    return f"{plus}{digits[:_KEPT_AT_START]}****{digits[-_KEPT_AT_END:]}"
