"""Signs and figures in the words of a language, where voices read them badly or each in another way.

What every voice reads well by itself (25, 3.5, 1,234, 14:30, 20 %) is left to it: it knows more of its language than is
written here. Telephone numbers it would read as millions, ``3-5`` as minus five, ``$3.50`` as dollar three point fifty.
"""

# ruff: noqa: RUF001 - the signs themselves
from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Words:
    """One language's."""

    plus: str
    minus: str
    times: str
    equals: str
    about: str
    to: str
    and_: str
    degrees: str
    per_hour: str
    money: tuple[tuple[str, str], ...]
    """For $, €, £ and ¥: one, and several."""


_WORDS = {
    "en": _Words(
        "plus", "minus", "times", "equals", "about", "to", "and", "degrees", "kilometres per hour",
        (("dollar", "dollars"), ("euro", "euros"), ("pound", "pounds"), ("yen", "yen")),
    ),
    "de": _Words(
        "plus", "minus", "mal", "gleich", "etwa", "bis", "und", "Grad", "Kilometer pro Stunde",
        (("Dollar", "Dollar"), ("Euro", "Euro"), ("Pfund", "Pfund"), ("Yen", "Yen")),
    ),
    "es": _Words(
        "más", "menos", "por", "igual a", "unos", "a", "y", "grados", "kilómetros por hora",
        (("dólar", "dólares"), ("euro", "euros"), ("libra", "libras"), ("yen", "yenes")),
    ),
    "fr": _Words(
        "plus", "moins", "fois", "égale", "environ", "à", "et", "degrés", "kilomètres par heure",
        (("dollar", "dollars"), ("euro", "euros"), ("livre", "livres"), ("yen", "yens")),
    ),
    "it": _Words(
        "più", "meno", "per", "uguale a", "circa", "a", "e", "gradi", "chilometri all'ora",
        (("dollaro", "dollari"), ("euro", "euro"), ("sterlina", "sterline"), ("yen", "yen")),
    ),
    "nl": _Words(
        "plus", "min", "maal", "is", "ongeveer", "tot", "en", "graden", "kilometer per uur",
        (("dollar", "dollar"), ("euro", "euro"), ("pond", "pond"), ("yen", "yen")),
    ),
    "pt": _Words(
        "mais", "menos", "vezes", "igual a", "cerca de", "a", "e", "graus", "quilômetros por hora",
        (("dólar", "dólares"), ("euro", "euros"), ("libra", "libras"), ("iene", "ienes")),
    ),
}  # fmt: skip

_PHONE = re.compile(r"(?<![\w.,:/+-])(\+?)(\(?\d[\d ()/.\-–]{5,}\d)(?![\w%°€$£¥]|[.,:/-]\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_FEWEST_DIGITS = 7
"""A number of fewer, without a plus, is a quantity or a year; local telephone numbers have seven."""
_RANGE = re.compile(r"(?<![\w.,:/-])(\d{1,4}) ?[–-] ?(\d{1,4})(?![\w/-]|[.,:]\d)")
_CURRENCY = "$€£¥"
_AMOUNT = r"\d[\d,.]*\d|\d"
_PRICE = re.compile(rf"(?<![\w{_CURRENCY}])(?:([{_CURRENCY}]) ?({_AMOUNT})|({_AMOUNT}) ?([{_CURRENCY}]))(?!\w)")
_CENTS = re.compile(r"(.*\d)[.,](\d\d)")
_DEGREES = re.compile(r"(?<=\d) ?°(?: ?([CF])\b)?")
_SCALES = {"C": " Celsius", "F": " Fahrenheit"}
_SPEED = re.compile(r"(?<=\d) ?km/h\b")
_MINUS = re.compile(r"(?<![^\s(])[−-](?=\d)")
_BETWEEN_NUMBERS = re.compile(r"(?<=[\d)]) ?([+×=]) ?(?=[\d(])")
_ABOUT = re.compile(r"(?<![^\s(])[≈~] ?(?=\d)")
_AND = re.compile(r"(?<=\w )&(?= \w)")


def spoken_form(text: str, language: str = "") -> str:
    """The text as it is to be read out.

    Args:
        text: a phrase without markup (turns/speech_text.py).
        language: BCP 47; of one that is not known here, only what needs no words is changed. Empty: English.
    """
    words = _WORDS.get(language.partition("-")[0].lower() or "en")
    text = _PHONE.sub(lambda found: _digits(found, words), text)
    if words is None:
        return text
    text = _RANGE.sub(lambda found: _range(found, words), text)
    text = _PRICE.sub(lambda found: _price(found, words), text)
    text = _DEGREES.sub(lambda found: f" {words.degrees}{_SCALES.get(found[1], '')}", text)
    text = _SPEED.sub(f" {words.per_hour}", text)
    signs = {"+": words.plus, "×": words.times, "=": words.equals}
    text = _BETWEEN_NUMBERS.sub(lambda found: f" {signs[found[1]]} ", text)
    text = _ABOUT.sub(f"{words.about} ", text)
    text = _AND.sub(words.and_, text)
    return _MINUS.sub(f"{words.minus} ", text)


def _digits(found: re.Match[str], words: _Words | None) -> str:
    """A telephone number, an account: digit by digit, with a breath between the groups as they are written."""
    plus, written = found[1], found[2]
    digits = re.sub(r"\D", "", written)
    if _DATE.search(written) or (len(digits) < _FEWEST_DIGITS and not plus):
        return found[0]
    groups = re.findall(r"\d+", written)
    if len(groups) == 2 and all(len(group) == 4 for group in groups) and not plus and groups[0] < groups[1]:
        return found[0]  # years
    if any("." in between or "/" in between for between in re.split(r"\d+", written)) and len(groups[-1]) < 3:
        return found[0]  # 1.234.567.89, a fraction, a version
    if len(groups) == 1:
        groups = re.findall(r"\d{3}(?=\d{3})|\d+", digits) if len(digits) > 4 else [digits]
    spoken = ", ".join(" ".join(group) for group in groups)
    return f"{words.plus if words else '+'} {spoken}" if plus else spoken


def _range(found: re.Match[str], words: _Words) -> str:
    low, high = found[1], found[2]
    return f"{low} {words.to} {high}" if int(low) < int(high) else found[0]


def _price(found: re.Match[str], words: _Words) -> str:
    sign, amount = (found[1], found[2]) if found[1] else (found[4], found[3])
    one, several = words.money[_CURRENCY.index(sign)]
    cents = _CENTS.fullmatch(amount)
    whole = cents[1] if cents else amount
    name = one if whole == "1" else several
    if not cents or cents[2] == "00":
        return f"{whole} {name}"
    return f"{whole} {name} {int(cents[2])}"
