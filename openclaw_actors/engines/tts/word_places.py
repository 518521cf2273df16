"""Where in a phrase's text the words are that a voice names while it speaks them."""

from __future__ import annotations


class WordPlaces:
    """Finds one word after the other.

    Args:
        text: the phrase as it was given to the voice.
    """

    def __init__(self, text: str) -> None:
        # One letter stays one letter, so that a place in this is a place in the text.
        self._text = "".join(letter.lower()[:1] or letter for letter in text)
        self._at = 0

    def end_of(self, word: str) -> int | None:
        """Letters of the text up to the end of the next ``word``; None if the voice named something of its own."""
        wanted = "".join(letter.lower()[:1] or letter for letter in word.strip())
        found = self._text.find(wanted, self._at) if wanted else -1
        if found < 0:
            return None
        self._at = found + len(wanted)
        return self._at
