"""A streamed answer, cut into phrases that are worth synthesising: the first as early as it may be, the others whole.

The caller hears the first phrase a synthesis after it is cut, so it is a clause, not a sentence. While it is spoken
there is time to wait for whole sentences, which sound better.
"""

# ruff: noqa: RUF001  punctuation of many scripts is what this file is about
from __future__ import annotations

import re
import unicodedata

from sentencex import get_sentence_boundaries

_FIRST_WEIGHT = 12
"""A first clause is at least so long ("I don't know,"). With shorter ones the voice would run dry before the second."""

_FIRST_WORDS = re.compile(r"(\s*(?:\S+\s+){5})(\S+\s+)")
"""Without a clause mark, six words are the first phrase (2 s of speech, some 8 tokens), or five when the sixth has at
most three letters: those ("the", "for", "is") lean on the word behind them, in most European languages."""

_SENTENCE_WEIGHT = 40
"""Shorter sentences are joined: each phrase costs a request, and a pause of the voice at its end."""

_LONG_WEIGHT = 120
"""From here a clause mark is enough: 8 s of speech, and a slow model must not leave the voice without any."""

_MAX_LENGTH = 300
"""Characters in a phrase at most; 20 s of speech, which is thrown away when the caller interrupts."""

_CLOSERS = "\"'”’»)\\]}」』）】》〉"
_WIDE = "。！？｡．，、；：।॥؟۔،؛"
_MARK = re.compile(
    rf"(?:[.!?…]+|[,;:—–])[{_CLOSERS}]*(?=\s)"  # only before a space, so "3.5" and "a.b" stay whole
    rf"|[{_WIDE}]+[{_CLOSERS}]*(?=[^{_WIDE}{_CLOSERS}])"  # nothing else is written with these
    r"|[^\S\n]*\n"
)
_CLAUSE_MARKS = frozenset(",;:—–，、；：،؛")
_NEXT_WORD = re.compile(r"\s+\S")
_UNFINISHED_NUMBER = re.compile(r"\d[.,:]$")


class PhraseSplitter:
    """Cuts one answer. ``"".join`` of all phrases is the text without its white space, but for a tail of bare marks.

    How the text is cut into pieces changes no phrase; where ``stalled`` is called does. A push costs some 12 µs.

    Args:
        language: BCP 47; the abbreviations that end no sentence are its own.
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language.partition("-")[0].lower() or "en"
        self._text = ""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take the next piece; the phrases that it completes."""
        self._text += text
        phrases: list[str] = []
        while (cut := self._cut()) is not None:
            phrase = self._take(cut)
            if _speakable(phrase):
                phrases.append(phrase)
        return phrases

    def stalled(self) -> list[str]:
        """No text has come for 150 ms: the phrase that may be spoken now, if there is one.

        Nothing spoken yet: all whole words. Later: up to the last mark; half a clause is not worth a pause in it.
        """
        cuts = [cut for cut, _ in self._marks(self._text + " A") if cut <= len(self._text)]
        cut = cuts[-1] if cuts and not _UNFINISHED_NUMBER.search(self._text) else 0
        if self._first:
            words = re.match(r".*\s", self._text, re.DOTALL)
            if words and _weight(words[0]) >= _FIRST_WEIGHT:
                cut = max(cut, words.end())
        return [self._take(cut)] if _speakable(self._text[:cut]) else []

    def flush(self) -> list[str]:
        """The text is complete: the rest of it. The next push begins another answer."""
        phrases = self.push("\n")
        if _speakable(self._text):
            phrases.append(self._take(len(self._text)))
        self._text, self._first = "", True
        return phrases

    def _take(self, cut: int) -> str:
        phrase, self._text = self._text[:cut].strip(), self._text[cut:]
        self._first = False
        return phrase

    def _cut(self) -> int | None:
        """Where the next phrase ends, None while that can't be told."""
        limit = self._limit()
        for cut, ends_sentence in self._marks(self._text[:_MAX_LENGTH]):
            if limit is not None and cut > limit:
                break
            weight = _weight(self._text[:cut])
            enough = _FIRST_WEIGHT if self._first else _SENTENCE_WEIGHT if ends_sentence else _LONG_WEIGHT
            if weight >= enough and _speakable(self._text[:cut]):
                return cut
        return limit

    def _limit(self) -> int | None:
        """Where the phrase ends at the latest, mark or no mark; None when the text does not reach so far."""
        if self._first:
            words = _FIRST_WORDS.match(self._text)
            if words and words.end() <= _MAX_LENGTH and _speakable(words[1]):
                last = words[2].strip()
                return words.end(1 if len(last) <= 3 and last.isalpha() else 2)
        if len(self._text) <= _MAX_LENGTH:
            return None
        head = self._text[:_MAX_LENGTH]
        marks = [cut for cut, _ in self._marks(head)]
        spaces = head.rstrip().rfind(" ") + 1
        return (marks and marks[-1]) or spaces or _MAX_LENGTH

    def _marks(self, text: str) -> list[tuple[int, bool]]:
        """Where clauses end, and whether a sentence does; what is not yet certain is left out."""
        found: list[tuple[int, bool]] = []
        for mark in _MARK.finditer(text):
            end = mark.end()
            sign = mark[0].strip()
            if not sign or sign[0] in _CLAUSE_MARKS:
                found.append((end, not sign))
            elif sign[0] not in ".!?…":
                found.append((end, True))
            elif (after := _NEXT_WORD.match(text, end)) is None:
                break  # "Dr." and "Yes." are told apart by what follows
            elif self._sentence_ends(text[: after.end()], end):
                found.append((end, True))
        return found

    def _sentence_ends(self, text: str, at: int) -> bool:
        """Whether one ends at ``at``, judged by no more than the first letter behind it."""
        return any(
            boundary["end_index"] == at or text[at : boundary["end_index"]].isspace()
            for boundary in get_sentence_boundaries(self._language, text)
        )


def _weight(text: str) -> int:
    """Length in Latin letters: a wide character is a syllable of speech, about two letters."""
    text = text.strip()
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _speakable(text: str) -> bool:
    """Is there anything that a voice could say?"""
    return any(c.isalnum() for c in text)
