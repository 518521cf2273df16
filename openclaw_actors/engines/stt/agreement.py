"""Which words of an utterance that is still spoken are settled. Pure.

Each partial recognises the whole utterance anew, and its last words change as more is heard. Words on which two
partials in a row agree are settled (LocalAgreement-2 of Macháček et al. 2023, arXiv 2307.14743), except the last word
of the newer one, whose sound may not be over: "I have five" may go on to be "fifteen".

They are for showing, and for whoever wants to act on words before the end; finals do not build on them. A model that
finishes sentences in its head settles on wrong words too: mini-whisper (tests/data) on a fifth of them, and made to go
on from those its finals had 37 % word errors in place of 2.
"""

from __future__ import annotations

import re

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, kana, Han: scripts without spaces between words, whose letters are taken one by one."""

_PIECES = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")


class Agreement:
    """The partials of one utterance."""

    def __init__(self) -> None:
        self._agreed: list[str] = []
        self._last: list[str] = []

    @property
    def agreed(self) -> str:
        """The words that are settled: what is said later only adds to them."""
        return "".join(self._agreed).strip()

    @property
    def text(self) -> str:
        """The settled words, and the newest guess at those after them."""
        return "".join([*self._agreed, *self._last[len(self._agreed) :]]).strip()

    def hear(self, text: str) -> None:
        """One more partial: the text of the whole utterance so far."""
        pieces = _PIECES.findall(text)
        settled = len(self._agreed)
        for newer, older in zip(pieces[settled:-1], self._last[settled:], strict=False):
            if _bare(newer) != _bare(older):
                break
            self._agreed.append(newer)
        self._last = pieces


def _bare(piece: str) -> str:
    """Without what changes from one partial to the next though the word is the same: case and punctuation."""
    return re.sub(r"[^\w]", "", piece).casefold() or piece.strip()
