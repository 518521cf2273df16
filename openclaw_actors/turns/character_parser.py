"""A parser that is sent its text one character at a time: what all parts of it need, and URLs, entities, escapes.

The parts are generators, so how the text was cut into pieces can't change what comes out. A part that finds that
what it holds is no markup says the first character of it and gives the rest back.
"""

from __future__ import annotations

import html
import string
from collections.abc import Callable, Generator

HOLD = 64
"""Characters held back at most until markup shows what it is: some 4 s of speech. Labels of links, names of
directives, tags and hosts are shorter."""

END = "\0"
"""Sent at the end of the text: it is part of no markup, and is not spoken."""

_URL_STARTS = ("https://", "http://", "www.")
_URL_ENDS = frozenset("<>\"'`*[]{}|\\^" + END)
_URL_TAIL = frozenset(".,;:!?")

Part = Generator[None, str, None]


class CharacterParser:
    """Reads characters, gives text to ``say``, and knows what was said last and what is to be read again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._hear = say
        self._given_back: list[str] = []
        self._previous = ""

    def _say(self, text: str) -> None:
        if text:
            self._previous = text[-1]
            self._hear(text)

    def _next(self) -> Generator[None, str, str]:
        if self._given_back:
            return self._given_back.pop()
        return (yield)

    def _give_back(self, text: str) -> None:
        self._given_back += reversed(text)

    def _no_markup(self, held: str) -> None:
        self._say(held[0])
        self._give_back(held[1:])

    def _skip(self, end: str, seen: str = "", *, limit: int = 0) -> Part:
        """Drop all up to and with ``end``, or up to the end of the text; with a limit, no more than that of a line."""
        count = 0
        while not seen.endswith(end):
            char = yield from self._next()
            count += 1
            if char == END or (limit and (char == "\n" or count > limit)):
                self._give_back(char)
                return
            seen = (seen + char)[-len(end) :]

    def _entity(self) -> Part:
        held = "&"
        while (held[-1].isalnum() or held[-1] in "&#") and len(held) < 10:
            held += yield from self._next()
        plain = html.unescape(held) if held[-1] == ";" else held
        if plain == held:
            self._no_markup(held)
        else:
            self._say(plain)

    def _escape(self) -> Part:
        char = yield from self._next()
        if char in string.punctuation:
            self._say(char)
        elif char == "\n":
            self._give_back(char)
        else:
            self._no_markup("\\" + char)

    def _url(self, start: str) -> Part:
        """``https://user@www.example.com:80/path?x=1``: its host, example.com."""
        while start.lower() not in _URL_STARTS:
            char = yield from self._next()
            if not any(url.startswith((start + char).lower()) for url in _URL_STARTS):
                self._say(start)
                self._give_back(char)
                return
            start += char
        host = ""
        while (char := (yield from self._next())).isascii() and (char.isalnum() or char in "-.:@_%~"):
            host += char if len(host) < HOLD else ""
        name = host.rstrip(".:")
        tail = host[len(name) :]
        if not name:
            self._say(start + host)
        else:
            self._say(name.rpartition("@")[2].partition(":")[0].removeprefix("www."))
            if char in "/?#":
                tail, char = yield from self._path()
            self._say(tail)
        self._give_back(char)

    def _path(self) -> Generator[None, str, tuple[str, str]]:
        """Drop the rest of a URL: the punctuation at its end, which is the sentence's, and the character behind it."""
        tail, depth = "", 0
        while True:
            char = yield from self._next()
            depth += (char == "(") - (char == ")")
            if char.isspace() or not char.isascii() or char in _URL_ENDS or depth < 0:
                return tail, char
            tail = (tail + char)[-HOLD:] if char in _URL_TAIL else ""
