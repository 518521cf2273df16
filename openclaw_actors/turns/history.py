"""What was said, in order: bounded, and aware of what is still unanswered."""

from __future__ import annotations

from openclaw_actors.messages import Line

KEPT_LINES = 1000
"""Some two hours of talk; a client that floods lines costs 4 MB at most."""

ASKED_LINES = 200
"""Lines that go with a question: 20 minutes of talk, some 5,000 tokens."""

QUESTION_LETTERS = 8000
"""Of what is unanswered; the newest count. Two minutes of speech are 2,000."""


class History:
    """The conversation of one call. Agent lines hold only what was really spoken."""

    def __init__(self, lines: tuple[Line, ...] = ()) -> None:
        self._lines = list(lines)
        self._dismissed = len(self._lines)
        self._sent = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """All that is kept."""
        return tuple(self._lines)

    @property
    def is_empty(self) -> bool:
        """Nobody has said anything."""
        return not self._lines

    def add(self, line: Line) -> None:
        """Append; the oldest lines go when there are too many."""
        self._lines.append(line)
        surplus = len(self._lines) - KEPT_LINES
        if surplus > KEPT_LINES // 10:
            del self._lines[:surplus]
            self._dismissed = max(0, self._dismissed - surplus)
            self._sent = max(0, self._sent - surplus)

    def mark_cut(self) -> None:
        """What the agent said last was not all that it had to say."""
        if self._lines and self._lines[-1].role == "agent":
            self._lines[-1] = Line("agent", self._lines[-1].text, cut=True)

    def retract(self, lines: int) -> None:
        """The last so many lines were the beginning of an answer to a question that was not finished: forget them."""
        while lines and len(self._lines) > self._dismissed and self._lines[-1].role == "agent":
            self._lines.pop()
            lines -= 1

    def dismiss(self) -> None:
        """What was asked so far needs no answer any more."""
        self._dismissed = len(self._lines)

    def mark_sent(self) -> None:
        """An engine that may not be asked twice has been given all lines so far."""
        self._sent = len(self._lines)

    @property
    def is_unanswered(self) -> bool:
        """The caller said the last word, and it was not dismissed."""
        return self._unanswered_from() < len(self._lines)

    def question(self, text: str = "", *, unsent: bool = False) -> tuple[str, tuple[Line, ...]]:
        """All that is unanswered, with ``text``, and the lines before it.

        Args:
            text: words that are not in the history yet.
            unsent: leave out what an engine that may not be asked twice has been given already.
        """
        start = self._unanswered_from()
        if unsent:
            start = min(max(start, self._sent), len(self._lines))
        words = [line.text for line in self._lines[start:]]
        if text:
            words.append(text)
        return " ".join(words)[-QUESTION_LETTERS:], tuple(self._lines[max(0, start - ASKED_LINES) : start])

    def _unanswered_from(self) -> int:
        start = len(self._lines)
        while start > self._dismissed and self._lines[start - 1].role == "user":
            start -= 1
        return start
