"""Inline markup and unspeakable characters, taken out of a stream one character at a time.

As every stage takes single characters, how the text was cut into pieces can't change what comes out.
"""

# ruff: noqa: RUF001  punctuation of many scripts is what this file is about
from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

HOLD = 64
"""Characters held back at most until markup shows what it is; 64 are some 4 s of speech, and links' labels,
directives' names, tags and hosts are shorter."""

_SKIP = 600
"""Characters of a link's target, a directive or a long tag that are dropped before its end is no longer awaited."""

_END = "\0"
"""Stands for the end of the text: it fits no markup, and control characters are not spoken."""

_TAMED = frozenset("!?,;:！？，；：")
_NO_SPACE_BEFORE = frozenset(".,!?;:…")
_PICTURES = re.compile(
    "[\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
    "\U000e0020-\U000e007f\ufe0e\ufe0f\u20e3]"
)
"""Arrows, dingbats, emoji and their modifiers: a voice reads their names aloud. Not ° © ™ €, which are words."""


class Characters:
    """The last stage: drops what has no sound, tames repeated punctuation, collapses white space."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._last = ""
        self._dots = 0
        self._space = False
        self._picture = False
        self._newlines = 2  # as if after an empty line: no white space comes first

    def take(self) -> str:
        """What has come out since the last call."""
        out = "".join(self._out)
        self._out.clear()
        return out

    def put(self, char: str) -> None:
        """The next character of the text to speak."""
        if char == "\n":
            self._newline()
        elif char.isspace():
            self._space = True
        elif _PICTURES.match(char):
            self._space = self._picture = True
        elif char == "\u200d" and self._picture:
            return  # joins emoji; elsewhere it shapes Indic and Arabic letters
        elif unicodedata.category(char) not in {"Cc", "Cs", "Co", "Cn"}:
            self._visible(char)

    def _newline(self) -> None:
        self._space = self._picture = False
        if self._newlines < 2:
            self._newlines += 1
            self._out.append("\n")
            self._last = "\n"

    def _visible(self, char: str) -> None:
        if self._picture and char in _NO_SPACE_BEFORE:
            self._space = False
        if self._space and not self._newlines:
            self._out.append(" ")
            self._last = " "
        self._space = self._picture = False
        self._dots = self._dots + 1 if char == "." and self._last == "." else 1
        if (char in _TAMED and char == self._last) or self._dots > 3:
            return
        self._out.append(char)
        self._last, self._newlines = char, 0


_URL_STARTS = ("https://", "http://", "www.")
_URL_ENDS = frozenset("<>\"'`*()[]{}|\\^“”‘’«»、。，；：！？（）「」" + _END)
_URL_TAIL = frozenset(".,;:!?")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)(?:[\s/][^<]*)?/?>")
_BREAKS = frozenset("br p div li tr ul ol table blockquote h1 h2 h3 h4 h5 h6".split())
_UNSPOKEN = frozenset("think thinking thought reasoning script style".split())
_SPOKEN = '{"spoken":"'
"""How an OpenClaw voice agent that follows the spoken-JSON contract begins: the value alone is for the ear."""
_ESCAPES = {"n": "\n", "t": " ", "r": " ", "b": "", "f": " "}


class Inline:
    """Emphasis, code marks, links, directives, tags, entities and URLs inside a line.

    ``put`` is given to one mode after the other; a mode that holds text back and finds that it was no markup says
    the first held character as it is and judges the rest anew.
    """

    def __init__(self, characters: Characters) -> None:
        self._characters = characters
        self._reset()

    def _reset(self) -> None:
        self._mode: Callable[[str], None] = self._text
        self._held = ""
        self._previous = ""  # the last character that was said
        self._depth = 0
        self._skipped = 0
        self._until = ""
        self._high = ""
        self._value: Inline | None = None

    @property
    def raw(self) -> bool:
        """Inside something that spans lines: line starts mean nothing there."""
        return self._mode in (self._object, self._json, self._object_rest, self._unspoken)

    def put(self, char: str) -> None:
        """The next character."""
        self._mode(char)

    def close(self) -> None:
        """The text is over: what is held back is no markup."""
        while self._mode != self._text:
            before = self._held
            self._mode(_END)
            if self._held == before + _END or self._mode in (self._target, self._unspoken, self._object_rest):
                break
        if self._value is not None:
            self._value.close()
        self._reset()

    def _say(self, text: str) -> None:
        for char in text:
            self._characters.put(char)
        self._previous = text[-1:] or self._previous

    def _hold(self, mode: Callable[[str], None], held: str) -> None:
        self._mode, self._held = mode, held

    def _release(self) -> None:
        held = self._held
        self._hold(self._text, "")
        self._say(held[0])
        for char in held[1:]:
            self.put(char)

    # --- Text, and the first characters of markup ------------------------------------------------------------

    def _text(self, char: str) -> None:
        if char in "*_~":
            self._hold(self._marks, char)
        elif char in "hHwW" and not self._previous.isalnum():
            self._hold(self._url_start, char)
        elif char in _OPENERS:
            self._hold(getattr(self, _OPENERS[char]), char)
        elif char != "`" and char != _END:
            self._say(char)
