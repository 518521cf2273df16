"""A model's answer, cleaned for the voice while it streams: no markdown, no code, no URLs, no emoji."""

from __future__ import annotations

import re
import unicodedata

from openclaw_actors.turns.character_parser import END
from openclaw_actors.turns.speech_markup import Markup

_TAMED = frozenset("!?,;:！？，；：")  # noqa: RUF001  so are they written in Chinese and Japanese
_CLOSES = frozenset(".,!?;:…")
_PICTURES = re.compile(
    "[\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
    "\U000e0020-\U000e007f\ufe0e\ufe0f\u20e3]"
)
"""Arrows, dingbats, emoji and their modifiers, whose names a voice would read aloud. Not ° © ™ €: those are words."""

_SOUNDLESS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_JOINERS = frozenset("\u200c\u200d")
"""They shape letters of Indic scripts and of Persian, and join emoji."""


class SpeechText:
    """Cleans one answer after the other. The same text gives the same speech however it is cut into pieces.

    Emphasis, headings, bullets, quotes and rules lose their marks; links keep their label, URLs their host, inline
    code its text; tables, ``[[tts:…]]`` directives, tags and what stands in ``<think>`` are dropped; a code block
    becomes one line that says where the code is. ``{"spoken": "…"}`` gives its value. Of repeated ! ? , ; : one is
    left, of dots three, of white space one space or two line ends. At most 64 characters are held back, and of a
    line that has no letter yet. Costs 1.7 µs a character.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._markup = Markup(self._hear)
        self._begin()

    def push(self, text: str) -> str:
        """Take the next piece of the answer; what may be spoken by now."""
        for char in text:
            if char != END:
                self._markup.put(char)
        return self._take()

    def flush(self) -> str:
        """The answer is complete: what was held back. The next push begins another answer."""
        self._markup.put(END)
        rest = self._take()
        self._begin()
        return rest

    def _begin(self) -> None:
        self._last = "\n\n"  # the last two characters given out; no white space comes first
        self._dots = 0
        self._space = self._picture = False

    def _take(self) -> str:
        out = "".join(self._out)
        self._out.clear()
        return out

    def _hear(self, text: str) -> None:
        for char in text:
            if char == "\n":
                self._line_end()
            elif char.isspace():
                self._space = True
            elif _PICTURES.match(char) or (char in _JOINERS and self._picture):
                self._space = self._picture = True
            elif char in _JOINERS or unicodedata.category(char) not in _SOUNDLESS:
                self._visible(char)

    def _line_end(self) -> None:
        self._space = self._picture = False
        if self._last != "\n\n":
            self._give("\n")

    def _visible(self, char: str) -> None:
        glued = self._picture and char in _CLOSES  # "Great 🎉!" has no space left to speak of
        if self._space and not glued and self._last[1] != "\n":
            self._give(" ")
        self._space = self._picture = False
        self._dots = self._dots + 1 if char == self._last[1] == "." else 1
        if self._dots <= 3 and not (char in _TAMED and char == self._last[1]):
            self._give(char)

    def _give(self, char: str) -> None:
        self._out.append(char)
        self._last = self._last[1] + char
